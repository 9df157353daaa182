//! `rage`.

mod ends;

use std::fs;

use data_encoding::BASE64;
use serde_json::Value;
use tempfile::TempDir;
use tower_multiserver::{PeerId, PublicKey};

use crate::{
    harness::{Ended, Program, key, run},
    onion::{ONION, proxy},
    tls::{certificate, certified, path},
};

/// Two key files, and their peer ids.
struct Pair {
    _directory: TempDir,
    path: String,
    listener: (String, String),
    sender: (String, String),
}

impl Pair {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            listener: peer(&directory, "listener").await,
            sender: peer(&directory, "sender").await,
            path: directory.path().display().to_string(),
            _directory: directory,
        }
    }

    /// `rage listen ADDRESS --json` to the sender, with more arguments; and the first address to dial.
    async fn listen(&self, address: &str, args: &[&str]) -> (Program, String) {
        let (key, peer) = (&self.listener.0, &self.sender.1);
        let listen = ["rage", "listen", address, "--key", key, "--peer", peer];
        let common = ["--stream", "words", "--json", "--dial-interval", "0.2"];
        let mut program = Program::start([&listen[..], &common, args].concat());
        let listening = program.event("listening").await;
        let address = listening["address"].as_str().expect("a text").to_owned();
        (program, address)
    }

    /// `rage send PEER --json`, with more arguments.
    fn send(&self, to: &str, args: &[&str]) -> Program {
        let send = ["rage", "send", to, "--key", &self.sender.0];
        let common = ["--stream", "words", "--json", "--dial-interval", "0.2"];
        Program::start([&send[..], &common, args].concat())
    }
}

async fn peer(directory: &TempDir, name: &str) -> (String, String) {
    let (path, _) = key(directory, name).await;
    let shown = run(&["key", "show", "--peer-id", &path]).await;
    (path, shown.text().trim_end().to_owned())
}

/// The bytes of the messages on stdout, each of that peer.
fn messages(ended: &Ended, peer: &str) -> Vec<Vec<u8>> {
    let line = |line: &str| {
        let message: Value = serde_json::from_str(line).expect(line);
        assert_eq!(message["event"], "message");
        assert_eq!(message["stream"], "words");
        assert_eq!(message["peer"], peer);
        let data = message["data"].as_str().expect("a text");
        BASE64.decode(data.as_bytes()).expect("base64")
    };
    ended.text().lines().map(line).collect()
}

#[tokio::test]
async fn each_line_is_a_message_that_goes_over_each_transport_and_back() {
    let pair = Pair::new().await;
    for (address, protocol) in [
        ("net:127.0.0.1:0", "v1"),
        ("ws://127.0.0.1:0", "v2"),
        #[cfg(unix)]
        (&format!("unix:{}/socket", pair.path), "v1"),
    ] {
        let args = ["--echo", "--protocol", protocol];
        let (listener, at) = pair.listen(address, &args).await;
        let (transport, _) = at.split_once('~').expect("layers");
        let known = format!("{}={transport}", pair.listener.1);
        for to in [&at, &known] {
            let mut sender = pair.send(to, &["--replies", "3"]);
            sender.send(b"one\n\n\xfftwo").await;
            let sent = sender.end().await;
            assert_eq!(sent.code, Some(0), "{at}: {:?}", sent.told);
            let echoed = messages(&sent, &pair.listener.1);
            assert_eq!(echoed, [&b"one"[..], b"", b"\xfftwo"], "{at}");
        }
        listener.signal("INT").await;
        let listened = listener.end().await;
        assert_eq!(listened.code, Some(0), "{:?}", listened.told);
        let heard = messages(&listened, &pair.sender.1);
        assert_eq!(heard.len(), 6);
        assert_eq!(heard[..3], [&b"one"[..], b"", b"\xfftwo"]);
    }
}

#[tokio::test]
async fn messages_go_over_tls_and_through_a_proxy_too() {
    let pair = Pair::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    certificate(directory.path());
    let certified = certified(&directory);
    let mut args = vec!["--echo"];
    args.extend(certified.iter().map(String::as_str));
    let (_listener, at) = pair.listen("wss://127.0.0.1:0", &args).await;
    let ca = path(&directory, "ca.pem");
    let mut sender = pair.send(&at, &["--ca", &ca, "--replies", "1"]);
    sender.send(b"hello").await;
    let sent = sender.end().await;
    assert_eq!(
        messages(&sent, &pair.listener.1),
        [b"hello"],
        "{:?}",
        sent.told
    );

    let (_listener, at) = pair.listen("net:127.0.0.1:0", &["--echo"]).await;
    let (transport, layers) = at.split_once('~').expect("layers");
    let target = transport.strip_prefix("net:").expect("net");
    let (at, playing) = proxy(target.to_owned(), None).await;
    let onion = format!("onion:{ONION}:8008~{layers}");
    let mut sender = pair.send(&onion, &["--proxy", &at, "--replies", "1"]);
    sender.send(b"hello").await;
    let sent = sender.end().await;
    assert_eq!(
        messages(&sent, &pair.listener.1),
        [b"hello"],
        "{:?}",
        sent.told
    );
    playing.await.expect("no panic");
}

#[tokio::test]
async fn people_see_the_bytes_of_a_message() {
    let pair = Pair::new().await;
    let (_listener, at) = pair.listen("net:127.0.0.1:0", &["--echo"]).await;
    let key = &pair.sender.0;
    let args = ["rage", "send", &at, "--key", key, "--stream", "words"];
    let more = ["--whole", "--replies", "1", "--quiet"];
    let mut sender = Program::start([&args[..], &more].concat());
    sender.send(b"one\ntwo").await;
    let sent = sender.end().await;
    assert_eq!((sent.code, sent.text()), (Some(0), "one\ntwo\n"));
    assert!(sent.told.is_empty(), "{:?}", sent.told);
}

#[tokio::test]
async fn many_lines_are_sent_no_faster_than_they_are_taken() {
    let pair = Pair::new().await;
    let limits = ["--message-rate", "250", "--queue", "1000"];
    let (mut listener, at) = pair.listen("net:127.0.0.1:0", &limits).await;
    let mut sender = pair.send(&at, &limits);
    // More than the 500 that are taken at once.
    let lines: String = (0..900).map(|n| format!("{n}\n")).collect();
    sender.send(lines.as_bytes()).await;
    let sent = sender.end().await;
    assert_eq!(sent.code, Some(0), "{:?}", sent.told);
    let mut heard = 0;
    let mut last = Vec::new();
    while heard < 900 {
        let byte = listener.receive(1).await;
        last.extend(&byte);
        if byte == b"\n" {
            let message: Value = serde_json::from_slice(&last).expect("JSON");
            let data = BASE64.encode(heard.to_string().as_bytes());
            assert_eq!(message["data"], data.as_str());
            last.clear();
            heard += 1;
        }
    }
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again() {
    let pair = Pair::new().await;
    let (listener, at) = pair.listen("net:127.0.0.1:0", &["--echo"]).await;
    let (transport, _) = at.split_once('~').expect("layers");
    let mut sender = pair.send(&at, &["--verbose", "--replies", "2"]);
    sender.send(b"before\n").await;
    assert_eq!(sender.receive(1).await, b"{");
    listener.signal("TERM").await;
    assert_eq!(listener.end().await.code, Some(0));
    // What is sent before it is known that the connection has ended would be lost with it.
    loop {
        let log = sender.event("log").await;
        if log["message"]
            .as_str()
            .expect("a text")
            .contains("connection ended")
        {
            break;
        }
    }
    sender.send(b"after\n").await;
    let (listener, _) = pair.listen(transport, &["--echo"]).await;
    let sent = sender.end().await;
    assert_eq!(sent.code, Some(0), "{:?}", sent.told);
    assert!(
        sent.text().contains(&BASE64.encode(b"after")),
        "{}",
        sent.text()
    );
    listener.signal("TERM").await;
    let listened = listener.end().await;
    assert_eq!(messages(&listened, &pair.sender.1), [b"after"]);
}

#[tokio::test]
async fn who_expects_somebody_else_is_3_in_time() {
    let pair = Pair::new().await;
    let (_listener, at) = pair.listen("net:127.0.0.1:0", &["--echo"]).await;
    let (transport, _) = at.split_once('~').expect("layers");
    // The listener is not who is dialed.
    let directory = tempfile::tempdir().expect("a directory");
    let (stranger, other) = peer(&directory, "stranger").await;
    let elsewhere = format!("{other}={transport}");
    let mut codes = Vec::new();
    for (to, key, stream) in [
        (&elsewhere, &pair.sender.0, "words"),
        // The listener does not know who dials.
        (&at, &stranger, "words"),
        (&at, &pair.sender.0, "others"),
    ] {
        let args = ["rage", "send", to, "--key", key, "--stream", stream];
        let more = ["--json", "--timeout", "1", "--dial-interval", "0.1"];
        let mut sender = Program::start([&args[..], &more].concat());
        sender.send(b"hello").await;
        let sent = sender.end().await;
        codes.push((sent.code, sent.error()["kind"].clone()));
    }
    assert!(
        codes
            .iter()
            .all(|code| *code == (Some(3), "timeout".into())),
        "{codes:?}"
    );
    // Who is heard but does not answer.
    let (_silent, at) = pair.listen("net:127.0.0.1:0", &[]).await;
    let mut sender = pair.send(&at, &["--timeout", "3", "--replies", "1"]);
    sender.send(b"hello").await;
    let sent = sender.end().await;
    assert_eq!(sent.code, Some(3));
    let error = sent.error();
    assert_eq!(error["kind"], "timeout");
    assert!(
        error["message"].to_string().contains("0 of 1 replies"),
        "{error}"
    );
}

#[tokio::test]
async fn what_cannot_be_meant_is_2() {
    let pair = Pair::new().await;
    let (key, own) = (&*pair.listener.0, &*pair.listener.1);
    let other = &*pair.sender.1;
    let layers = |id: &str, other: &str| format!("net:h:1~knock:{id}~mtls:{other}");
    for peer in [
        "nobody",
        // A key that nobody can hold.
        &format!("{}=net:h:1", PeerId::from(PublicKey::from_bytes([0; 32]))),
        &other[1..],
        &format!("{other}=net:h"),
        &format!("{other}=bt:65D900DDB353"),
        &format!("{other}=net:h:1~shs"),
        &format!("{other}="),
        &format!("{own}=net:h:1"),
        &layers(other, own),
        &format!("{};{}", layers(other, other), layers(own, own)),
        &format!("net:h:1~mtls:{other}~knock:{other}"),
        "net:h:1",
        "@/nowhere/at/all",
    ] {
        for args in [
            &["rage", "send", peer][..],
            &["rage", "listen", "net:127.0.0.1:0", "--peer", peer],
        ] {
            let more = ["--key", key, "--stream", "s", "--json", "--timeout", "1"];
            let more = &more[..if args[1] == "send" { 7 } else { 5 }];
            let ended = run(&[args, more].concat()).await;
            assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
            ended.error();
        }
    }
    let peer = ["--peer", other];
    for args in [
        // Nobody could dial.
        &["rage", "listen", "--stream", "s", "--peer", other][..],
        &["rage", "send", other, "--stream", "s"],
        &["rage", "listen", "net:127.0.0.1:0", "--stream", "s"],
        &[
            "rage",
            "listen",
            "net:127.0.0.1:0~knock~mtls",
            "--stream",
            "s",
            peer[0],
            peer[1],
        ],
        &[
            "rage",
            "listen",
            "net:127.0.0.1:0",
            "--stream",
            "s",
            peer[0],
            peer[1],
            peer[0],
            peer[1],
        ],
        &[
            "rage",
            "listen",
            "net:127.0.0.1:0",
            "--stream",
            "",
            peer[0],
            peer[1],
        ],
        &[
            "rage",
            "listen",
            "net:127.0.0.1:0",
            "--stream",
            "s",
            "--queue",
            "0",
            peer[0],
            peer[1],
        ],
        &[
            "rage",
            "listen",
            "wss://127.0.0.1:0",
            "--stream",
            "s",
            peer[0],
            peer[1],
        ],
    ] {
        let ended = run(&[args, &["--key", key, "--json"]].concat()).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.told);
        ended.error();
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_2_and_those_before_it_are_sent() {
    let pair = Pair::new().await;
    let (mut listener, at) = pair.listen("net:127.0.0.1:0", &[]).await;
    let mut sender = pair.send(&at, &["--max-message", "5"]);
    sender.send(b"short\n").await;
    assert_eq!(listener.receive(1).await, b"{");
    sender.send(b"longer\n").await;
    let sent = sender.end().await;
    assert_eq!(
        (sent.code, sent.error()["kind"].clone()),
        (Some(2), "usage".into())
    );
}

#[tokio::test]
async fn no_secret_is_shown() {
    let pair = Pair::new().await;
    let private = |path: &str| {
        let text = fs::read_to_string(path).expect("a file");
        text.split("\"private\": \"").nth(1).expect("one")[..40].to_owned()
    };
    let secrets = [private(&pair.listener.0), private(&pair.sender.0)];
    let (listener, at) = pair.listen("net:127.0.0.1:0", &["--echo", "-vv"]).await;
    let mut sender = pair.send(&at, &["--replies", "1", "-vv"]);
    sender.send(b"hello").await;
    let sent = sender.end().await;
    listener.signal("INT").await;
    let listened = listener.end().await;
    // In the wrong places.
    let (secret, other) = (&*secrets[0], &*pair.sender.1);
    let key = &*pair.listener.0;
    let mut all = vec![sent, listened];
    for peer in [
        secret,
        &format!("{secret}=net:h:1"),
        &format!("{other}={secret}"),
        &format!("{other}=net:h:1~shs:{other}:{secret}"),
        &format!("net:h:1~knock:{other}~mtls:{secret}"),
    ] {
        let args = ["rage", "send", peer, "--key", key, "--stream", "s"];
        let ended = run(&args).await;
        assert_eq!(ended.code, Some(2), "{:?}", ended.told);
        all.push(ended);
    }
    for ended in all {
        let text = ended.told.concat() + ended.text();
        assert!(
            !secrets.iter().any(|secret| text.contains(&secret[..20])),
            "{text}"
        );
    }
}
