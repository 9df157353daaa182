//! `forward LOCAL ADDRESS` and `listen ADDRESS --to`: a TCP service through the two of them.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    time::timeout,
};

use crate::harness::{HANG, Program, noise, run};

/// A TCP service that the test plays, and its `HOST:PORT`.
async fn service() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, format!("127.0.0.1:{port}"))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(HANG, listener.accept()).await;
    accepted.expect("a hang").expect("a connection").0
}

/// `forward LOCAL ADDRESS --json`, and where it listens.
async fn forward(local: &str, address: &str, args: &[&str]) -> (Program, String) {
    let mut program = Program::start([&["forward", local, address, "--json"], args].concat());
    let listening = program.event("listening").await;
    let at = listening["address"].as_str().expect("a text").to_owned();
    (program, at)
}

async fn tcp(at: &str) -> TcpStream {
    let at = at.strip_prefix("net:").expect("a TCP address");
    TcpStream::connect(at).await.expect("connected")
}

#[tokio::test]
async fn bulk_passes_in_each_direction_which_ends_by_itself() {
    let data = noise(4 << 20);
    for outside in ["net:127.0.0.1:0~shs", "ws://127.0.0.1:0~shs"] {
        let (service, to) = service().await;
        let to = format!("net:{to}");
        let (mut far, address) = Program::listen(outside, &["--to", &to]).await;
        let (mut near, at) = forward("net:127.0.0.1:0", &address, &[]).await;

        // The service answers when the question has ended, and so knows all of it.
        let answer = async {
            let mut peer = accept(&service).await;
            let mut question = Vec::new();
            peer.read_to_end(&mut question)
                .await
                .expect("its end arrives");
            question.reverse();
            peer.write_all(&question).await.expect("an answer");
        };
        let ask = async {
            let mut client = tcp(&at).await;
            client.write_all(&data).await.expect("sent");
            client.shutdown().await.expect("ended");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("an answer");
            answer
        };
        let both = async { tokio::join!(answer, ask) };
        let ((), mut answer) = timeout(HANG, both).await.expect("a hang");
        answer.reverse();
        assert!(answer == data, "{outside}");
        near.event("closed").await;
        far.event("closed").await;
    }
}

#[tokio::test]
async fn a_unix_socket_is_forwarded_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let (service, to) = service().await;
    let (_far, address) = Program::listen("net:127.0.0.1:0~shs", &["--to", &to]).await;
    let (_near, _) = forward(&format!("unix:{}", path.display()), &address, &[]).await;
    let mut client = UnixStream::connect(&path).await.expect("connected");
    client.write_all(b"hello").await.expect("sent");
    let mut heard = [0; 5];
    let mut peer = accept(&service).await;
    timeout(HANG, peer.read_exact(&mut heard))
        .await
        .expect("a hang")
        .expect("heard");
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn the_end_of_the_service_arrives_while_the_client_still_speaks() {
    let (service, to) = service().await;
    let (_far, address) = Program::listen("net:127.0.0.1:0~shs", &["--to", &to]).await;
    let (mut near, at) = forward("net:127.0.0.1:0", &address, &[]).await;
    let mut client = tcp(&at).await;
    let mut peer = accept(&service).await;
    peer.write_all(b"bye").await.expect("sent");
    peer.shutdown().await.expect("ended");
    let mut heard = Vec::new();
    timeout(HANG, client.read_to_end(&mut heard))
        .await
        .expect("a hang")
        .expect("an end");
    assert_eq!(heard, b"bye");

    client.write_all(b"more").await.expect("sent");
    client.shutdown().await.expect("ended");
    heard.clear();
    timeout(HANG, peer.read_to_end(&mut heard))
        .await
        .expect("a hang")
        .expect("an end");
    assert_eq!(heard, b"more");
    near.event("closed").await;
}

#[tokio::test]
async fn a_service_or_a_server_that_is_not_there_costs_one_connection_only() {
    let (gone, to) = service().await;
    drop(gone);
    let (mut far, address) = Program::listen("net:127.0.0.1:0~shs", &["--to", &to]).await;
    let (mut near, at) = forward("net:127.0.0.1:0", &address, &[]).await;
    for _ in 0..2 {
        // It looks cut off, and not finished.
        let mut client = tcp(&at).await;
        let _ = timeout(HANG, client.read(&mut [0])).await.expect("a hang");
        assert_eq!(far.event("error").await["kind"], "io");
        assert_eq!(near.event("error").await["kind"], "io");
    }
    far.signal("TERM").await;
    assert_eq!(far.end().await.code, Some(0));
    let mut client = tcp(&at).await;
    let _ = timeout(HANG, client.read(&mut [0])).await.expect("a hang");
    let error = near.event("error").await;
    assert_eq!(error["kind"], "io");
    let transport = address.split('~').next().expect("a transport");
    assert!(
        error["address"]
            .as_str()
            .expect("a place")
            .starts_with(transport),
        "{error}"
    );
}

#[tokio::test]
async fn who_is_refused_is_told_at_the_near_side() {
    let (_service, to) = service().await;
    let nobody = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    let args = ["--to", &to, "--allow", nobody];
    let (_far, address) = Program::listen("net:127.0.0.1:0~shs", &args).await;
    let (mut near, at) = forward("net:127.0.0.1:0", &address, &[]).await;
    let _client = tcp(&at).await;
    assert_eq!(near.event("error").await["kind"], "handshake");
}

#[tokio::test]
async fn a_server_forwards_to_any_address() {
    let (_echo, address) = Program::listen("ws://127.0.0.1:0~shs", &["--echo"]).await;
    let (_front, at) = Program::listen("net:127.0.0.1:0~noauth", &["--to", &address]).await;
    let data = noise(300_000);
    let client = crate::harness::connect(&at, &[], &data).await;
    assert_eq!(client.code, Some(0), "{:?}", client.told);
    assert!(client.stdout == data);
}

#[tokio::test]
async fn a_side_that_cannot_end_one_direction_ends_with_the_other_side() {
    let (_echo, bare) = Program::listen("ws://127.0.0.1:0", &["--echo"]).await;
    let (mut near, at) = forward("net:127.0.0.1:0", &bare, &[]).await;
    let mut client = tcp(&at).await;
    client.write_all(b"hello").await.expect("sent");
    let mut heard = [0; 5];
    timeout(HANG, client.read_exact(&mut heard))
        .await
        .expect("a hang")
        .expect("an echo");
    drop(client);
    near.event("closed").await;

    // Neither side can.
    let (mut front, at) = Program::listen("ws://127.0.0.1:0", &["--to", &bare]).await;
    let mut client = Program::connect(&at, &[]);
    client.send(b"hello").await;
    assert_eq!(client.receive(5).await, b"hello");
    client.end_input();
    client.event("note").await;
    client.signal("TERM").await;
    assert_eq!(client.end().await.code, Some(0));
    front.event("closed").await;
}

#[tokio::test]
async fn connections_are_bounded_and_a_signal_waits_for_the_last() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("config.toml");
    std::fs::write(&config, "limits.max-connections = 1").expect("written");
    let config = config.display().to_string();
    let (_echo, address) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let (mut near, at) = forward("net:127.0.0.1:0", &address, &["--config", &config]).await;
    let mut first = tcp(&at).await;
    let mut heard = [0; 1];
    first.write_all(b"x").await.expect("sent");
    timeout(HANG, first.read_exact(&mut heard))
        .await
        .expect("a hang")
        .expect("an echo");
    let _second = tcp(&at).await;
    assert_eq!(near.event("error").await["kind"], "overloaded");

    near.signal("TERM").await;
    while near.event("note").await["message"] != "shutting down" {}
    first.write_all(b"y").await.expect("sent");
    timeout(HANG, first.read_exact(&mut heard))
        .await
        .expect("a hang")
        .expect("an echo");
    drop(first);
    near.event("closed").await;
    assert_eq!(near.end().await.code, Some(0));
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_2() {
    let key = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    let good = format!("net:127.0.0.1:1~shs:{key}");
    for args in [
        &["forward", "net:127.0.0.1:0~shs", &good, "--json"][..],
        &["forward", "127.0.0.1:0", &good, "--json"],
        &[
            "forward",
            "net:127.0.0.1:0",
            "net:127.0.0.1:1~shs",
            "--json",
        ],
        &["forward", "net:127.0.0.1:0", "", "--json"],
        &["forward", "net:127.0.0.1:0", "--json"],
        &[
            "listen",
            "net:127.0.0.1:0",
            "--to",
            "net:h:1~other",
            "--json",
        ],
        &["listen", "net:127.0.0.1:0", "--to", "h:99999", "--json"],
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
        ended.error();
    }
}
