//! Commands that `sh` runs.

use std::{io, process::Stdio};

use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A command in a process group of its own, killed on drop unless it has exited.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Until it has exited, so that the number cannot be another's.
    group: Option<u32>,
}

/// What runs `command`, with pipes as its stdin and stdout.
pub(crate) fn shell(command: &str, stderr: Stdio) -> Command {
    let mut sh = Command::new("sh");
    sh.args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true);
    sh
}

impl Running {
    pub(crate) fn start(mut sh: Command) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut child = in_group(&mut sh).spawn()?;
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let group = child.id();
        Ok((Self { child, group }, stdin, stdout))
    }

    pub(crate) async fn exit(&mut self) -> io::Result<()> {
        self.child.wait().await?;
        self.group = None;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            kill(group);
        }
    }
}

/// A group of its own lets all of it be killed, and keeps the Ctrl-C of our terminal away from it.
#[cfg(unix)]
fn in_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

#[cfg(not(unix))]
fn in_group(command: &mut Command) -> &mut Command {
    command
}

/// Kills a process group. The shell's own `kill` is on every system that could run the command.
#[cfg(unix)]
fn kill(group: u32) {
    let killed = std::process::Command::new("sh")
        .args(["-c", "kill -s KILL -- \"-$1\"", "sh", &group.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // The shell itself dies by `kill_on_drop` in any case.
    drop(killed);
}

#[cfg(not(unix))]
fn kill(_: u32) {}
