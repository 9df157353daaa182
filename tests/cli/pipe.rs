//! `--pipe CMD`: messages to and from a command.
#![cfg(unix)]

use std::process::Command;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{HANG, Program, connect, file, key, noise, run};

/// Two commands whose stdin and stdout are joined, and where.
fn joined() -> (TempDir, [String; 2]) {
    let directory = tempfile::tempdir().expect("a directory");
    let [up, down] = ["up", "down"].map(|name| directory.path().join(name).display().to_string());
    let made = Command::new("mkfifo").args([&up, &down]).status();
    assert!(made.expect("mkfifo runs").success());
    // A shell gives a command in the background no stdin of its own accord.
    let command = |to: &str, from: &str| format!("exec 3<&0; cat <&3 >'{to}' & exec cat '{from}'");
    let commands = [command(&up, &down), command(&down, &up)];
    (directory, commands)
}

#[tokio::test]
async fn two_programs_talk_through_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, host_id) = key(&directory, "host").await;
    let host_key = host_id.trim_start_matches('@').trim_end_matches(".ed25519");
    let data = noise(300_000);
    for chain in ["~shs", "~noise~zstd"] {
        let (_directory, [here, there]) = joined();
        let args = ["--echo", "--key", &host, "--pipe", &there];
        let (mut server, at) = Program::listen(&format!("channel{chain}"), &args).await;
        let (name, rest) = chain.split_at(chain[1..].find('~').map_or(chain.len(), |at| at + 1));
        assert_eq!(at, format!("channel{name}:{host_key}{rest}"));
        let client = connect(&at, &["--pipe", &here], &data).await;
        assert_eq!(client.code, Some(0), "{:?}", client.told);
        assert!(client.stdout == data);
        server.event("closed").await;
        // A pipe is one connection.
        let server = server.end().await;
        assert_eq!(server.code, Some(0), "{:?}", server.told);
    }
}

#[tokio::test]
async fn who_proves_nothing_may_speak_first() {
    let (_directory, [here, there]) = joined();
    let args = ["--exec", "echo hello", "--pipe", &there];
    let (server, at) = Program::listen("channel~noauth", &args).await;
    let mut client = Program::connect(&at, &["--pipe", &here]);
    assert_eq!(client.receive(6).await, b"hello\n");
    assert_eq!(client.end().await.code, Some(0));
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test]
async fn stdin_and_stdout_are_bridged_too_and_others_are_still_served() {
    let (_directory, [here, there]) = joined();
    let args = ["listen", "channel", "--pipe", &there, "--json"];
    let mut server = Program::start(args);
    server.event("listening").await;
    let mut client = Program::connect("channel", &["--pipe", &here]);
    client.send(b"question").await;
    assert_eq!(server.receive(8).await, b"question");
    server.send(b"answer").await;
    assert_eq!(client.receive(6).await, b"answer");
    let (server, client) = tokio::join!(server.end(), client.end());
    assert_eq!((server.code, client.code), (Some(0), Some(0)));

    let (_directory, [here, there]) = joined();
    let args = [
        "listen",
        "channel",
        "net:127.0.0.1:0",
        "--echo",
        "--pipe",
        &there,
        "--json",
    ];
    let mut server = Program::start(args);
    server.event("listening").await;
    let at = server.event("listening").await["address"].clone();
    assert_eq!(
        connect("channel", &["--pipe", &here], b"a").await.text(),
        "a"
    );
    assert_eq!(
        connect(at.as_str().expect("a text"), &[], b"b")
            .await
            .text(),
        "b"
    );
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test]
async fn the_time_for_a_handshake_begins_with_the_first_message() {
    let (_directory, [here, there]) = joined();
    let (_file, config) = file(
        "config.toml",
        "limits.handshake-timeout = 1\nallow = \"all\"",
    );
    let config = config.display().to_string();
    let args = [
        "listen",
        "channel~shs",
        "net:127.0.0.1:0~shs",
        "--echo",
        "--json",
    ];
    let pipe = ["--pipe", &there, "--config", &config];
    let mut server = Program::start([&args[..], &pipe].concat());
    let channel = server.event("listening").await["address"].clone();
    let net = server.event("listening").await["address"].clone();
    let net = net.as_str().expect("a text").strip_prefix("net:");
    let (net, _) = net.and_then(|net| net.split_once('~')).expect("a place");
    // This one began later, and the time of the pipe would have been over before.
    let _mute = TcpStream::connect(net).await.expect("connected");
    let error = server.event("error").await;
    assert_eq!(error["kind"], "timeout");
    let place = error["address"].as_str().expect("a place");
    assert!(place.starts_with("net:"), "{error}");
    let client = connect(
        channel.as_str().expect("a text"),
        &["--pipe", &here],
        b"hello",
    )
    .await;
    assert_eq!((client.code, client.text()), (Some(0), "hello"));
}

#[tokio::test]
async fn a_pipe_that_was_not_needed_keeps_nobody_waiting() {
    let (_server, at) = Program::listen("net:127.0.0.1:0", &["--echo"]).await;
    // It ends when its stdin does, and not when it is killed.
    let (directory, _) = joined();
    let fifo = directory.path().join("up").display().to_string();
    let command = format!("exec 4>'{fifo}'; cat; echo ended >&4");
    let client = Program::connect(&format!("{at};channel"), &["--pipe", &command]);
    let ended = tokio::fs::read_to_string(&fifo);
    let (client, ended) = tokio::join!(client.end(), timeout(HANG, ended));
    assert_eq!(client.code, Some(0), "{:?}", client.told);
    assert_eq!(ended.expect("a hang").expect("a text"), "ended\n");
}

#[tokio::test]
async fn a_command_that_speaks_otherwise_or_not_at_all_is_3() {
    for command in ["true", "exit 1", "echo nonsense"] {
        let client = connect("channel", &["--pipe", command], b"").await;
        assert_eq!(client.code, Some(3), "{command}: {:?}", client.told);
        let args = [
            "listen",
            "channel~shs",
            "--pipe",
            command,
            "--echo",
            "--json",
        ];
        assert_eq!(run(&args).await.code, Some(3), "{command}");
    }
}

#[tokio::test]
async fn a_command_that_does_not_end_goes_with_the_program() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo").display().to_string();
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    let command = format!("exec 4>'{fifo}'; echo started >&4; sleep 1000 | cat");
    let mut client = Program::connect("channel", &["--pipe", &command]);
    client.event("connection").await;
    let opened = tokio::fs::File::open(&fifo).await.expect("it is opened");
    let mut alive = BufReader::new(opened).lines();
    let started = timeout(HANG, alive.next_line()).await.expect("a hang");
    assert_eq!(started.expect("a line").as_deref(), Some("started"));
    client.signal("TERM").await;
    assert_eq!(client.end().await.code, Some(3));
    // All that held it are gone.
    let ended = timeout(HANG, alive.next_line()).await.expect("a hang");
    assert_eq!(ended.expect("no error"), None);
}

#[tokio::test]
async fn a_pipe_is_for_channel_and_channel_for_a_pipe() {
    for args in [
        &["connect", "net:127.0.0.1:1", "--pipe", "cat", "--json"][..],
        &[
            "listen",
            "net:127.0.0.1:0",
            "--pipe",
            "cat",
            "--echo",
            "--json",
        ],
        &["connect", "channel:name", "--pipe", "cat", "--json"],
        &["connect", "channel", "--json"],
        &["listen", "channel", "--echo", "--json"],
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
        ended.error();
    }
}
