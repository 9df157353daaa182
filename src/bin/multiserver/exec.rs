//! `--exec CMD`: a command for each connection.

use std::{io, process::Stdio};

use tokio::{
    io::{sink, split},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tower_multiserver::{Connection, Info};

use crate::{
    copy::{self, Broken, Direction, of_ours, of_peer},
    failure::Failure,
};

/// Runs `command` with `peer` as its stdin and stdout, until it has exited and its output has ended.
///
/// When the connection breaks, or this future is dropped, it is killed with all that it started.
pub(crate) async fn run(peer: Connection, command: &str, stderr: Stdio) -> Result<(), Failure> {
    let info = peer.info().clone();
    let ours = of_ours("the command failed");
    let started = Running::start(command, stderr, &info).map_err(&ours);
    let (mut running, mut stdin, mut stdout) = started?;
    let (mut from_peer, mut to_peer) = split(peer);

    let (ours, of_peer) = (&ours, &of_peer(&info));
    let input = async move {
        let mut copied = copy::copy(&mut from_peer, &mut stdin, Direction::In).await;
        // Closed, so that the command sees the end.
        drop(stdin);
        if let Err(Broken::Sink(_)) = copied {
            // It needs no more, which is its right. Reading on shows when the connection breaks.
            copied = copy::copy(&mut from_peer, &mut sink(), Direction::In).await;
        }
        copied.map_err(|broken| broken.between(of_peer, ours))
    };
    let output = async {
        let copied = copy::copy_all(&mut stdout, &mut to_peer, Direction::Out).await;
        copied.map_err(|broken| broken.between(ours, of_peer))?;
        let exited = running.exit().await;
        exited.map_err(|error| Broken::Source(ours(error)))
    };
    copy::until(output, input).await.map_err(Broken::into_inner)
}

/// A command in a process group of its own, killed on drop unless it has exited.
struct Running {
    child: Child,
    /// Until it has exited, so that the number cannot be another's.
    group: Option<u32>,
}

impl Running {
    fn start(
        command: &str,
        stderr: Stdio,
        peer: &Info,
    ) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut sh = Command::new("sh");
        sh.args(["-c", command])
            .env("MULTISERVER_ADDRESS", peer.address().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true);
        match peer.remote_key() {
            Some(key) => sh.env("MULTISERVER_REMOTE", key.to_string()),
            // Our own environment must not speak for the peer.
            None => sh.env_remove("MULTISERVER_REMOTE"),
        };
        let mut child = in_group(&mut sh).spawn()?;
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let group = child.id();
        Ok((Self { child, group }, stdin, stdout))
    }

    async fn exit(&mut self) -> io::Result<()> {
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
