//! What moves, shown where stderr is a terminal.
#![cfg(unix)]

use std::process::Stdio;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::harness::{HANG, Program, connect, noise};

/// The program in a terminal (that of script(1)), with the arguments and redirections of `line`.
fn in_terminal(line: &str) -> Child {
    let program = env!("CARGO_BIN_EXE_multiserver");
    // In the place of the shell, some of which end as if killed when Ctrl-C reached them too, whatever the program says.
    let line = format!("exec '{program}' {line}");
    Command::new("script")
        .args(["-qefc", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("script(1) is part of every Debian")
}

/// What the terminal shows until the program has ended.
async fn shown(mut terminal: Child) -> String {
    let mut shown = Vec::new();
    let mut stdout = terminal.stdout.take().expect("it is piped");
    let stdin = terminal.stdin.take();
    let ended = async {
        stdout.read_to_end(&mut shown).await.expect("readable");
        terminal.wait().await.expect("it ended")
    };
    let status = timeout(HANG, ended).await.expect("a hang");
    drop(stdin);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(status.success(), "{shown}");
    shown
}

/// A file of so many bytes, and where to put what comes back.
fn files(len: usize) -> (TempDir, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name| directory.path().join(name).display().to_string();
    let (input, output) = (path("in"), path("out"));
    std::fs::write(&input, noise(len)).expect("written");
    (directory, input, output)
}

#[tokio::test]
async fn a_client_shows_bytes_and_their_rate() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let (_directory, input, output) = files(3 << 20);
    let shown = shown(in_terminal(&format!("connect '{at}' < {input} > {output}"))).await;
    assert!(
        shown.contains("received 3.00 MiB, sent 3.00 MiB, "),
        "{shown:?}"
    );
    assert!(shown.contains("B/s"), "{shown:?}");
    // Whole lines, and not in the middle of it.
    assert!(
        shown.contains(&format!("connected to {at}\r\n")),
        "{shown:?}"
    );
    assert!(std::fs::read(output).expect("a file") == noise(3 << 20));
}

#[tokio::test]
async fn nothing_is_shown_that_was_not_asked_for_or_would_run_into_the_data() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let (_directory, input, output) = files(1000);
    for line in [
        format!("connect '{at}' --quiet < {input} > {output}"),
        format!("connect '{at}' --json < {input} > {output}"),
        // Stdout is the terminal too.
        format!("connect '{at}' < /dev/null"),
        // And here stderr is none.
        format!("connect '{at}' < {input} > {output} 2> {output}.err"),
    ] {
        let shown = shown(in_terminal(&line)).await;
        assert!(!shown.contains("received"), "{line}: {shown:?}");
        let told = std::fs::read_to_string(format!("{output}.err")).unwrap_or_default();
        assert!(!told.contains("received"), "{line}: {told:?}");
    }
}

#[tokio::test]
async fn a_server_shows_them_too_until_ctrl_c() {
    let mut terminal = in_terminal("listen net:127.0.0.1:0~shs --echo");
    let mut stdout = BufReader::new(terminal.stdout.take().expect("it is piped"));
    let mut line = Vec::new();
    let at = loop {
        line.clear();
        let read = timeout(HANG, stdout.read_until(b'\n', &mut line)).await;
        assert_ne!(read.expect("a hang").expect("readable"), 0);
        let line = String::from_utf8_lossy(&line);
        if let Some((_, at)) = line.split_once("listening on ") {
            break at.split(' ').next().expect("an address").to_owned();
        }
    };
    assert_eq!(connect(&at, &[], &noise(1 << 20)).await.code, Some(0));
    let mut keyboard = terminal.stdin.take().expect("it is piped");
    keyboard.write_all(&[0x03]).await.expect("typed");
    let mut shown = Vec::new();
    let read = timeout(HANG, stdout.read_to_end(&mut shown)).await;
    read.expect("a hang").expect("readable");
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("received 1.00 MiB, sent "), "{shown:?}");
    assert!(shown.contains("shutting down"), "{shown:?}");
    let status = timeout(HANG, terminal.wait()).await.expect("a hang");
    let status = status.expect("it ended");
    assert!(status.success(), "{status}: {shown:?}");
}
