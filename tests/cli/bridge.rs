//! A connection as stdin and stdout, on both sides.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::harness::{HANG, Program, connect, file, noise};

/// A TCP server that the test plays, and its address.
async fn tcp() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, format!("net:127.0.0.1:{port}"))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(HANG, listener.accept()).await;
    accepted.expect("a hang").expect("a connection").0
}

#[tokio::test]
async fn what_one_side_types_the_other_reads_at_once() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &[]).await;
    let mut client = Program::connect(&at, &[]);
    client.send(b"ping").await;
    assert_eq!(server.receive(4).await, b"ping");
    server.send(b"pong!").await;
    assert_eq!(client.receive(5).await, b"pong!");

    client.end_input();
    server.send(b"last").await;
    assert_eq!(client.receive(4).await, b"last");
    let (server, client) = tokio::join!(server.end(), client.end());
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn the_end_of_stdin_is_told_to_the_peer_and_the_answer_awaited() {
    let (listener, at) = tcp().await;
    let answer = async {
        let mut peer = accept(&listener).await;
        let mut question = Vec::new();
        peer.read_to_end(&mut question).await.expect("an end");
        peer.write_all(&question).await.expect("an answer");
    };
    let data = noise(300_000);
    let ((), client) = tokio::join!(answer, connect(&at, &[], &data));
    assert_eq!(client.code, Some(0), "{:?}", client.told);
    assert!(client.stdout == data);
}

#[tokio::test]
async fn after_the_peer_has_ended_stdin_is_still_sent() {
    let (listener, at) = tcp().await;
    let mut client = Program::connect(&at, &[]);
    let mut peer = accept(&listener).await;
    peer.write_all(b"that is all").await.expect("sent");
    peer.shutdown().await.expect("ended");
    assert_eq!(client.receive(11).await, b"that is all");

    let mut heard = [0; 5];
    for word in [b"first", b"other"] {
        client.send(word).await;
        let read = timeout(HANG, peer.read_exact(&mut heard)).await;
        read.expect("a hang").expect("the connection is there");
        assert_eq!(&heard, word);
    }
    assert_eq!(client.end().await.code, Some(0));
}

#[tokio::test]
async fn a_server_without_a_mode_takes_one_connection_and_ends() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &[]).await;
    let first = Program::connect(&at, &[]);
    server.event("connection").await;
    let second = connect(&at, &[], b"").await;
    // At once, and not when it has waited long enough.
    assert_ne!(second.error()["kind"], "timeout");
    let (first, server) = tokio::join!(first.end(), server.end());
    assert_eq!((first.code, server.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_peer_that_is_refused_does_not_take_the_place_of_the_one() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &[]).await;
    let other_network = ["--app-key", "vBpLIYAUpGkZUzg8f/jLIBLPqJqnLF+HZEGXzDM1yvA="];
    assert_eq!(connect(&at, &other_network, b"").await.code, Some(4));
    assert_eq!(server.event("error").await["kind"], "handshake");
    let (client, server) = tokio::join!(connect(&at, &[], b"hello"), server.end());
    assert_eq!((client.code, server.code), (Some(0), Some(0)));
    assert_eq!(server.stdout, b"hello");
}

#[tokio::test]
async fn an_address_on_stdin_is_its_first_line_and_data_follows() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let input = format!("{at}\nfirst\nsecond\n");
    let client = connect("-", &[], input.as_bytes()).await;
    assert_eq!(client.code, Some(0), "{:?}", client.told);
    assert_eq!(client.text(), "first\nsecond\n");
}

#[tokio::test]
async fn an_address_may_stand_in_a_file() {
    let (_here, listed) = file("address", "net:127.0.0.1:0~shs\n");
    let (_server, at) = Program::listen(&format!("@{}", listed.display()), &["--echo"]).await;
    let (_there, path) = file("address", &format!("{at}\nand nothing else counts\n"));
    let client = connect(&format!("@{}", path.display()), &[], b"hello").await;
    assert_eq!(client.code, Some(0), "{:?}", client.told);
    assert_eq!(client.stdout, b"hello");
}

#[tokio::test]
async fn it_ends_quietly_when_nobody_reads_stdout_any_more() {
    let (listener, at) = tcp().await;
    let mut client = Program::connect(&at, &[]);
    let mut peer = accept(&listener).await;
    peer.write_all(b"first").await.expect("sent");
    assert_eq!(client.receive(5).await, b"first");
    let (mut program, told) = client.without_stdout();
    // One write may still fit into what is on its way; the end shows on the connection.
    let chatter = async { while peer.write_all(&[b'x'; 1024]).await.is_ok() {} };
    let ended = async { tokio::join!(chatter, program.wait()).1 };
    let status = timeout(HANG, ended).await.expect("a hang");
    assert_eq!(status.expect("it ended").code(), Some(0));
    assert!(!told.await.contains("error"));
}

#[tokio::test]
async fn a_signal_breaks_a_connection_off_that_was_not_over() {
    let (listener, at) = tcp().await;
    let mut client = Program::connect(&at, &[]);
    let _peer = accept(&listener).await;
    client.event("connection").await;
    client.signal("INT").await;
    assert_eq!(client.event("error").await["kind"], "interrupted");
    assert_eq!(client.end().await.code, Some(3));
}

#[tokio::test]
async fn a_bridging_server_ends_at_the_first_signal_or_with_a_connection_at_the_second() {
    let (server, _) = Program::listen("net:127.0.0.1:0~shs", &[]).await;
    server.signal("INT").await;
    assert_eq!(server.end().await.code, Some(0));

    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &[]).await;
    let mut client = Program::connect(&at, &[]);
    server.event("connection").await;
    server.signal("INT").await;
    server.event("note").await;
    client.send(b"still").await;
    assert_eq!(server.receive(5).await, b"still");
    server.signal("TERM").await;
    assert_eq!(server.event("error").await["kind"], "interrupted");
    assert_eq!(server.end().await.code, Some(3));
    // No goodbye: what was broken off must not look finished.
    assert_eq!(client.end().await.code, Some(3));
}
