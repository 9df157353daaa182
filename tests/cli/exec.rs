//! `listen --exec CMD`.
#![cfg(unix)]

use crate::harness::{Program, connect, key, noise};

#[tokio::test]
async fn the_command_reads_the_peer_and_the_peer_reads_the_command() {
    let data = noise(1 << 20);
    for address in ["net:127.0.0.1:0~shs", "net:127.0.0.1:0"] {
        let (mut server, at) = Program::listen(address, &["--exec", "cat; echo done"]).await;
        let client = connect(&at, &[], &data).await;
        assert_eq!(client.code, Some(0), "{address}: {:?}", client.told);
        assert!(
            client.stdout == [&data[..], b"done\n"].concat(),
            "{address}"
        );
        server.event("closed").await;
    }
}

#[tokio::test]
async fn the_connection_ends_when_the_command_does() {
    for address in ["net:127.0.0.1:0~shs", "ws://127.0.0.1:0", "unix:"] {
        let directory = tempfile::tempdir().expect("a directory");
        let address = match address {
            "unix:" => format!("unix:{}", directory.path().join("socket").display()),
            other => other.to_owned(),
        };
        let (mut server, at) = Program::listen(&address, &["--exec", "head -c 5"]).await;
        let client = connect(&at, &[], b"hello, and what nobody reads").await;
        assert_eq!(client.code, Some(0), "{address}: {:?}", client.told);
        assert_eq!(client.stdout, b"hello", "{address}");
        server.event("closed").await;
    }
}

#[tokio::test]
async fn the_command_is_told_who_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (key, id) = key(&directory, "key").await;
    let show = "echo \"$MULTISERVER_ADDRESS\"; echo \"${MULTISERVER_REMOTE-nobody}\"";

    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--exec", show]).await;
    let client = connect(&at, &["--key", &key], b"").await;
    let mut lines = client.text().lines();
    assert!(lines.next().unwrap().starts_with("net:127.0.0.1:"));
    assert_eq!(format!("@{}.ed25519", lines.next().unwrap()), id);

    let (_server, at) = Program::listen("net:127.0.0.1:0", &["--exec", show]).await;
    let client = connect(&at, &[], b"").await;
    assert_eq!(client.text().lines().nth(1), Some("nobody"));
}

/// A server that tells people, and its address. Its command has its stderr too, which ends with the last of them.
async fn listen(address: &str, command: &str) -> (Program, String) {
    let mut server = Program::start(["listen", address, "--exec", command]);
    loop {
        let line = server.line().await.expect("it listens");
        if let Some(listening) = line.strip_prefix("listening on ") {
            let at = listening.strip_suffix(" (device)").expect("a scope");
            return (server, at.to_owned());
        }
    }
}

#[tokio::test]
async fn when_the_connection_breaks_the_command_is_killed_with_all_that_it_started() {
    for command in [
        "echo started; sleep 1000 & sleep 1000; :",
        // It takes no input any more.
        "exec 0<&-; echo started; sleep 1000 & sleep 1000; :",
    ] {
        let (mut server, at) = listen("net:127.0.0.1:0~shs", command).await;
        let mut client = Program::connect(&at, &[]);
        client.send(b"some input").await;
        assert_eq!(client.receive(8).await, b"started\n");
        drop(client);
        while !server
            .line()
            .await
            .expect("an error")
            .starts_with("error: ")
        {}
        server.signal("TERM").await;
        assert_eq!(server.end().await.code, Some(0), "{command}");
    }
}

#[tokio::test]
async fn a_second_signal_kills_the_commands_too() {
    let command = "echo started; sleep 1000 & sleep 1000; :";
    let (mut server, at) = listen("net:127.0.0.1:0", command).await;
    let mut client = Program::connect(&at, &[]);
    assert_eq!(client.receive(8).await, b"started\n");
    server.signal("INT").await;
    while server.line().await.expect("a note") != "shutting down" {}
    server.signal("INT").await;
    assert_eq!(server.end().await.code, Some(3));
}

#[tokio::test]
async fn what_a_command_says_on_stderr_is_no_event() {
    let (mut server, at) =
        Program::listen("net:127.0.0.1:0", &["--exec", "echo words >&2; echo done"]).await;
    assert_eq!(connect(&at, &[], b"").await.stdout, b"done\n");
    server.event("closed").await;
    assert!(!server.told.iter().any(|line| line.contains("words")));
}
