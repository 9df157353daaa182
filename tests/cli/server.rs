//! How a server ends.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{HANG, Program, connect};

#[tokio::test]
async fn sigterm_stops_listening_and_waits_for_the_last_connection() {
    for signal in ["TERM", "INT"] {
        let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
        let mut old = Program::connect(&at, &[]);
        server.event("connection").await;
        server.signal(signal).await;
        while server.event("note").await["message"] != "shutting down" {}

        assert_ne!(connect(&at, &[], b"").await.code, Some(0));
        old.send(b"still here").await;
        assert_eq!(old.receive(10).await, b"still here");
        assert_eq!(old.end().await.code, Some(0));
        server.event("closed").await;
        assert_eq!(server.end().await.code, Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_aborts() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let mut client = Program::connect(&at, &[]);
    server.event("connection").await;
    server.signal("TERM").await;
    while server.event("note").await["message"] != "shutting down" {}
    server.signal("TERM").await;
    assert_eq!(server.event("error").await["kind"], "interrupted");
    assert_eq!(server.end().await.code, Some(3));
    client.event("error").await;
    assert_eq!(client.end().await.code, Some(3));
}

#[tokio::test]
async fn the_file_of_a_unix_socket_goes_with_its_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let address = format!("unix:{}~noauth", path.display());
    let (server, _) = Program::listen(&address, &["--echo"]).await;
    assert!(path.exists());
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_connection_for_which_there_is_no_room_is_turned_away() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0", &["--echo"]).await;
    let at = at.strip_prefix("net:").expect("its address");
    let mut peers = Vec::new();
    for _ in 0..160 {
        peers.push(TcpStream::connect(at).await.expect("there is room"));
        server.event("connection").await;
    }
    let mut late = TcpStream::connect(at).await.expect("it is accepted first");
    assert_eq!(server.event("error").await["kind"], "overloaded");
    let read = timeout(HANG, late.read(&mut [0])).await;
    assert!(matches!(read.expect("a hang"), Ok(0) | Err(_)));

    drop(peers.pop());
    server.event("closed").await;
    let mut next = TcpStream::connect(at).await.expect("there is room again");
    next.write_all(b"x").await.expect("sent");
    let read = timeout(HANG, next.read_exact(&mut [0])).await;
    read.expect("a hang").expect("an echo");
}
