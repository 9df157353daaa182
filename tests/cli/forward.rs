//! `listen --to HOST:PORT`.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    harness::{HANG, Program, connect, noise},
    ports::closed_port,
};

/// A TCP server that the test plays, and what to write after `--to`.
async fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, format!("localhost:{port}"))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(HANG, listener.accept()).await;
    accepted.expect("a hang").expect("a connection").0
}

#[tokio::test]
async fn each_direction_is_forwarded_and_ends_by_itself() {
    let (listener, to) = target().await;
    let data = noise(1 << 20);
    for address in [
        "net:127.0.0.1:0~shs",
        "ws://127.0.0.1:0~shs",
        "net:127.0.0.1:0",
    ] {
        let (mut server, at) = Program::listen(address, &["--to", &to]).await;
        let answer = async {
            let mut peer = accept(&listener).await;
            let mut question = Vec::new();
            peer.read_to_end(&mut question)
                .await
                .expect("the end is forwarded");
            peer.write_all(&question).await.expect("an answer");
        };
        let ((), client) = tokio::join!(answer, connect(&at, &[], &data));
        assert_eq!(client.code, Some(0), "{address}: {:?}", client.told);
        assert!(client.stdout == data, "{address}");
        server.event("closed").await;
    }
}

#[tokio::test]
async fn the_end_of_the_target_is_forwarded_while_the_peer_still_sends() {
    let (listener, to) = target().await;
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--to", &to]).await;
    // Another bridge tells the end by ending.
    let mut client = Program::connect(&at, &[]);
    let mut peer = accept(&listener).await;
    peer.write_all(b"bye").await.expect("sent");
    peer.shutdown().await.expect("ended");
    assert_eq!(client.receive(3).await, b"bye");
    client.send(b"more").await;
    let mut heard = [0; 4];
    let read = timeout(HANG, peer.read_exact(&mut heard)).await;
    read.expect("a hang").expect("the connection is there");
    assert_eq!(&heard, b"more");
    assert_eq!(client.end().await.code, Some(0));
}

#[tokio::test]
async fn on_a_bare_web_socket_the_end_of_the_target_ends_the_connection() {
    let (listener, to) = target().await;
    let (mut server, at) = Program::listen("ws://127.0.0.1:0", &["--to", &to]).await;
    let data = noise(300_000);
    let answer = async {
        let mut peer = accept(&listener).await;
        let mut question = [0; 5];
        peer.read_exact(&mut question).await.expect("a question");
        peer.write_all(&data).await.expect("an answer");
    };
    let ((), client) = tokio::join!(answer, connect(&at, &[], b"hello"));
    assert_eq!(client.code, Some(0), "{:?}", client.told);
    assert!(client.stdout == data);
    server.event("closed").await;
}

#[tokio::test]
async fn a_target_that_is_not_there_is_an_error_of_one_connection_only() {
    let (_reserved, closed) = closed_port();
    let to = format!("localhost:{}", closed.port());
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--to", &to]).await;
    for _ in 0..2 {
        let client = connect(&at, &[], b"hello").await;
        assert_eq!(client.code, Some(3), "{:?}", client.told);
        let error = server.event("error").await;
        let text = error.to_string();
        assert!(error["kind"] == "io" && text.contains(&to), "{text}");
    }
}

#[tokio::test]
async fn a_target_that_breaks_off_does_not_look_finished_to_the_peer() {
    let (listener, to) = target().await;
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--to", &to]).await;
    let mut client = Program::connect(&at, &[]);
    let peer = accept(&listener).await;
    client.send(b"unread").await;
    let there = timeout(HANG, peer.peek(&mut [0])).await;
    there.expect("a hang").expect("something to read");
    // Closed with something unread in it, the kernel sends a reset.
    drop(peer);
    let error = server.event("error").await;
    assert!(
        error["address"].as_str().unwrap().contains("~shs:"),
        "{error}"
    );
    assert_eq!(client.end().await.code, Some(3));
}
