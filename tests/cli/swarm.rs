//! `swarm join` among known addresses.

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::ChildStdout,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{
    Identity, MultiServer,
    net::Net,
    peer_socket::{AddressNetwork, Message, PeerSocket, PeerSockets, Swarm, SwarmId},
    shs::ShsLayer,
};

use crate::harness::{HANG, Program, event, key, run};

pub(crate) const ROOM: &str = "room";

/// `swarm join room --json`, with more arguments; and the key that it has there.
pub(crate) async fn join(args: &[&str]) -> (Program, String) {
    let mut program = Program::start([&["swarm", "join", ROOM, "--json"], args].concat());
    let swarm = program.event("swarm").await;
    assert_eq!(swarm["swarm"], ROOM);
    let key = swarm["peer"].as_str().expect("a text").to_owned();
    (program, key)
}

/// The same, listening; and the address to dial.
async fn host(args: &[&str]) -> (Program, String) {
    let listen = ["--listen", "net:127.0.0.1:0~shs"];
    let (program, key) = join(&[&listen, args].concat()).await;
    let told = program.told.iter().map(|line| event(line));
    let mut listening = told.filter(|event| event["event"] == "listening");
    let address = listening.next().expect("one")["address"].clone();
    let address = address.as_str().expect("a text").to_owned();
    assert!(address.ends_with(&key), "{address}");
    (program, address)
}

/// Ends a program by a signal, in good order.
pub(crate) async fn interrupt(mut program: Program) {
    program.signal("INT").await;
    // Not before the end of its input could be the reason, or the signal the second one.
    while program.event("note").await["message"] != "leaving" {}
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
}

/// What the program says on stdout, and the program without it.
pub(crate) fn lines(program: &mut Program) -> Lines<BufReader<&mut ChildStdout>> {
    BufReader::new(&mut program.stdout).lines()
}

pub(crate) async fn next(lines: &mut Lines<BufReader<&mut ChildStdout>>) -> Value {
    let line = timeout(HANG, lines.next_line()).await.expect("a hang");
    let line = line.expect("stdout is text").expect("a line");
    serde_json::from_str(&line).expect("JSON")
}

/// A peer within this test, that dials.
async fn peer(address: &str, session_data: Value) -> Swarm {
    let network = AddressNetwork::new(|identity: Identity| {
        let shs = ShsLayer::new(identity);
        MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()))
    });
    network.add_peer(address).expect("an address");
    let peers = PeerSockets::builder(network).build().expect("randomness");
    let swarm = peers.join_with(SwarmId::open(ROOM), session_data).await;
    swarm.expect("joined")
}

async fn text(socket: &PeerSocket) -> Value {
    let message = timeout(HANG, socket.recv()).await.expect("a hang");
    match message.expect("a message").expect("well-formed") {
        Message::Json(mut message) => {
            assert_eq!(message["type"], "text");
            message["text"].take()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_sees_the_lines_of_the_others_under_their_names() {
    let (mut alice, at_alice) = host(&["--name", "alice"]).await;
    let (mut bob, at_bob) = host(&["--name", "bob", "--peer", &at_alice]).await;
    let (mut carol, _) = join(&["--name", "carol", "--peer", &at_alice, "--peer", &at_bob]).await;
    for program in [&mut alice, &mut bob, &mut carol] {
        program.event("joined").await;
        program.event("joined").await;
    }
    let names = ["alice", "bob", "carol"];
    let mut programs = [alice, bob, carol];
    for (program, name) in programs.iter_mut().zip(names) {
        program.send(format!("here is {name}\n").as_bytes()).await;
        program.send(b"\xff\r\n\n").await;
    }
    for (program, own) in programs.iter_mut().zip(names) {
        let mut lines = lines(program);
        let mut heard = Vec::new();
        for _ in 0..6 {
            let said = next(&mut lines).await;
            let name = said["name"].as_str().expect("a name").to_owned();
            heard.push((name, said["text"].as_str().expect("a text").to_owned()));
        }
        let others = names.into_iter().filter(|name| *name != own);
        for other in others {
            let of_other = heard.iter().filter(|(name, _)| name == other);
            let texts: Vec<_> = of_other.map(|(_, text)| text.clone()).collect();
            assert_eq!(
                texts,
                [format!("here is {other}"), "\u{fffd}".into(), String::new()]
            );
        }
    }
    let [mut alice, bob, carol] = programs;
    // One by the end of its input, one by a signal.
    assert_eq!(carol.end().await.code, Some(0));
    let left = alice.event("left").await;
    assert_eq!(
        (&left["name"], &left["reason"]),
        (&json!("carol"), &json!("closed by the peer"))
    );
    interrupt(bob).await;
    assert_eq!(alice.event("left").await["name"], "bob");
}

#[tokio::test]
async fn what_was_typed_before_anybody_came_is_delivered_to_the_first_and_all_of_it() {
    let (mut early, at) = host(&["--name", "early"]).await;
    let many: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    early.send(many.as_bytes()).await;
    let (mut late, _) = join(&["--stay", "--peer", &at]).await;
    early.end_input();
    let mut heard = lines(&mut late);
    for n in 0..1000 {
        let said = next(&mut heard).await;
        assert_eq!(said["name"], "early");
        assert_eq!(said["text"], format!("line {n}"));
    }
    assert_eq!(early.end().await.code, Some(0));
    late.event("left").await;
    interrupt(late).await;
}

#[tokio::test]
async fn a_line_that_nobody_heard_is_3() {
    for (args, kind) in [(&["--wait", "0.2"][..], "timeout"), (&[], "interrupted")] {
        let (mut alone, _) = host(args).await;
        alone.send(b"hello?\n").await;
        alone.event("note").await;
        if kind == "interrupted" {
            alone.signal("INT").await;
        }
        let ended = alone.end().await;
        let error = ended.error();
        assert_eq!((ended.code, &error["kind"]), (Some(3), &json!(kind)));
    }
    // Who has said nothing has nothing to lose.
    let (alone, _) = host(&[]).await;
    assert_eq!(alone.end().await.code, Some(0));
}

#[tokio::test]
async fn what_a_peer_sends_drives_no_terminal_and_forges_no_line() {
    let args = ["--name", "alice", "--listen", "net:127.0.0.1:0~shs"];
    let mut program = Program::start([&["swarm", "join", ROOM], &args[..]].concat());
    let at = loop {
        let line = program.line().await.expect("it listens");
        if let Some(listening) = line.strip_prefix("listening on ") {
            break listening.split(' ').next().expect("an address").to_owned();
        }
    };
    let hostile = "\u{1b}[2Jbob\nalice: \u{202e}x";
    let mallory = peer(&at, json!({ "name": hostile })).await;
    let to_alice = mallory.next_socket().await;
    for message in [
        json!({ "type": "text", "text": 7 }),
        json!([null]),
        json!(0),
    ] {
        to_alice.send(message).await.expect("it reads");
    }
    to_alice.send(b"\x1b[31m".to_vec()).await.expect("it reads");
    let id = mallory.loopback().id().to_ssb_id();
    let short = format!("{}…", &id[..9]);
    let shown = r"\u{1b}[2Jbob\nalice: \u{202e}x";
    for (name, shown) in [
        (json!(hostile), shown.to_owned()),
        (json!(["no", "name"]), short.clone()),
        // Somebody else's, and there is nothing to see in this one.
        (json!("alice"), format!("alice ({short})")),
        (json!(" "), short.clone()),
    ] {
        let data = json!({ "name": name });
        if *mallory.loopback().session_data().borrow() != Some(data.clone()) {
            mallory.loopback().set_session_data(data).expect("short");
            while !program.line().await.expect("more").contains("now called") {}
        }
        let text = "\u{1b}]0;x\u{7}\r\n\u{9b}1A";
        let message = json!({ "type": "text", "text": text });
        to_alice.send(message).await.expect("it reads");
        let line = format!("{shown}: {}\n", r"\u{1b}]0;x\u{7}\r\n\u{9b}1A");
        let said = program.receive(line.len()).await;
        assert_eq!(String::from_utf8(said).expect("UTF-8"), line);
    }
    mallory.close().await;
    while !program.line().await.expect("more").contains(" left: ") {}
    let ended = program.end().await;
    assert_eq!((ended.code, ended.text()), (Some(0), ""));
    let told = ended.told.concat();
    assert!(
        !told.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{told}"
    );
}

#[tokio::test]
async fn who_does_not_read_misses_lines_and_nobody_else_does() {
    let (mut host, at) = host(&[]).await;
    let mute = peer(&at, json!({ "name": "mute" })).await;
    let from_host = mute.next_socket().await;
    let reader = peer(&at, json!({ "name": "reader" })).await;
    let to_reader = reader.next_socket().await;
    host.event("joined").await;
    host.event("joined").await;

    let mut count = 0;
    let mut line = vec![b'x'; 60_000];
    line.push(b'\n');
    // Until it is found out, lines go into what a connection holds.
    let note = loop {
        host.send(&line).await;
        assert_eq!(text(&to_reader).await.as_str().map(str::len), Some(60_000));
        if let Some(told) = host.line().now_or_never() {
            break told.expect("it goes on");
        }
        count += 1;
        assert!(count < 1000, "nobody minds");
    };
    assert!(note.contains("mute does not read"), "{note}");
    host.send(b"after\n").await;
    assert_eq!(text(&to_reader).await, "after");

    // It begins to read, and hears what is said from then on.
    while text(&from_host).await != "again" {
        host.send(b"again\n").await;
    }
    let note = host.event("note").await;
    assert!(
        note["message"].to_string().contains("mute reads again"),
        "{note}"
    );
    assert_eq!(host.end().await.code, Some(0));
}

#[tokio::test]
async fn only_who_is_allowed_is_met() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = key(&directory, "friend").await;
    // Its key in the swarm follows from that of the file, and is the same each time.
    let (friend, friends) = join(&[
        "--key",
        &path,
        "--peer",
        "net:127.0.0.1:1~shs:rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=",
    ])
    .await;
    drop(friend);
    let (mut host, at) = host(&["--allow", &friends]).await;
    let _stranger = peer(&at, json!({ "name": "stranger" })).await;
    let (mut friend, again) = join(&["--key", &path, "--name", "friend", "--peer", &at]).await;
    assert_eq!(friends, again);
    friend.event("joined").await;
    let joined = host.event("joined").await;
    assert_eq!(
        (&joined["name"], &joined["peer"]),
        (&json!("friend"), &json!(again))
    );
}

#[tokio::test]
async fn nobody_who_reads_stdout_is_the_end_of_it() {
    let (host, at) = host(&[]).await;
    let (mut child, told) = host.without_stdout();
    let peer = peer(&at, json!({})).await;
    let hello = json!({ "type": "text", "text": "hello" });
    peer.next_socket()
        .await
        .send(hello)
        .await
        .expect("it reads");
    let (status, told) = tokio::join!(child.wait(), told);
    assert_eq!(status.expect("it ended").code(), Some(0), "{told}");
    drop(peer);
}

#[tokio::test]
async fn what_proves_no_key_of_ours_is_2() {
    let key = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    let seeded = format!("net:h:1~shs:{key}:{key}");
    let long = "x".repeat(300);
    for args in [
        &["--peer", "net:h:1"][..],
        &["--peer", "net:h:1~noauth"],
        &["--peer", "net:h:1~shs"],
        &["--peer", &seeded],
        &["--peer", "foo:h:1~shs"],
        &["--listen", "net:127.0.0.1:0"],
        &["--listen", "net:127.0.0.1:0~noauth"],
        &["--listen", "net:127.0.0.1:0~shs", "--name", &long],
        &["--listen", "net:127.0.0.1:0~shs", "--allow", "nobody"],
    ] {
        let ended = run(&[&["swarm", "join", ROOM, "--json"], args].concat()).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
        let error = ended.error();
        assert!(!error["message"].to_string().contains(key), "{error}");
    }
}

#[cfg(not(feature = "hyperswarm"))]
#[tokio::test]
async fn who_says_no_address_is_told_what_to_say_or_build() {
    let ended = run(&["swarm", "join", ROOM, "--json"]).await;
    assert_eq!(ended.code, Some(2), "{:?}", ended.told);
    let message = ended.error()["message"].to_string();
    for word in ["--listen", "--peer", "hyperswarm"] {
        assert!(message.contains(word), "{message}");
    }
}
