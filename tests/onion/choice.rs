//! Which proxy is asked, and as whom.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::{
    ErrorKind, StackExt as _,
    onion::{Failure, Onion, Proxy, Reply},
};

use crate::{
    lab::{CONNECTED, NAME, Played, answering, dial, failures, greet, play, proxy, request},
    support::closed_port,
};

fn to() -> String {
    format!("onion:{NAME}:8008")
}

async fn good() -> Played<()> {
    answering(b"\x05\x00", CONNECTED).await
}

#[tokio::test]
async fn the_next_proxy_is_asked_when_one_is_not_there_or_is_none() {
    let (_kept, closed) = closed_port();
    let next = good().await;
    dial([&proxy(closed), &next.proxy], &to())
        .await
        .expect("the next");
    next.over().await;

    for (greeting, reply) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &b""[..]),
        (b"\x05\xff", b""),
        (b"", b""),
        (b"\x05\x00", b"\x05\x00"),
    ] {
        let (first, next) = (answering(greeting, reply).await, good().await);
        let dialed = dial([&first.proxy, &next.proxy], &to()).await;
        dialed.unwrap_or_else(|error| panic!("{greeting:?}: {error:?}"));
        next.over().await;
    }
}

/// The next one would tell the same, and would know too whom we look for.
#[tokio::test]
async fn no_other_proxy_is_asked_when_one_could_not_connect() {
    for code in [1, 2, 4, 5, 8, 0xf0] {
        let (first, next) = (
            answering(b"\x05\x00", [5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await,
            good().await,
        );
        let error = dial([&first.proxy, &next.proxy], &to()).await;
        let error = error.expect_err("not connected");
        assert!(matches!(failures(&error)[..], [Failure::Replied(_)]));
        assert!(!next.was_asked());
    }
}

#[tokio::test]
async fn one_error_lists_what_every_proxy_answered() {
    let (_kept, closed) = closed_port();
    let http = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"").await;
    let refusing = answering(b"\x05\x00", &b"\x05\x05\x00\x01\0\0\0\0\0\0"[..]).await;
    let proxies = [&proxy(closed), &http.proxy, &refusing.proxy];
    let error = dial(proxies, &to()).await.expect_err("none");
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(matches!(
        failures(&error)[..],
        [
            Failure::Unreachable(_),
            Failure::NotSocks,
            Failure::Replied(Reply::ConnectionRefused),
        ]
    ));
    let source = std::error::Error::source(&error).expect("a source");
    for proxy in proxies {
        assert!(source.to_string().contains(&proxy.to_string()), "{source}");
    }
    let none = Onion::new().proxies([]).dial(to()).await;
    assert_eq!(none.expect_err("none").kind(), ErrorKind::Proxy);
}

/// What a proxy reads that asks for a login, and its verdict.
async fn asking(verdict: u8) -> Played<(Vec<u8>, String, String)> {
    play(async move |mut stream| {
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).await.expect("methods");
        stream.write_all(&[5, 2]).await.expect("sent");
        assert_eq!(stream.read_u8().await.expect("a version"), 1);
        let mut texts = Vec::new();
        for _ in 0..2 {
            let mut text = vec![0; stream.read_u8().await.expect("a length").into()];
            stream.read_exact(&mut text).await.expect("a text");
            texts.push(String::from_utf8(text).expect("text"));
        }
        stream.write_all(&[1, verdict]).await.expect("sent");
        if verdict == 0 {
            request(&mut stream).await;
            stream.write_all(CONNECTED).await.expect("sent");
        }
        let password = texts.pop().expect("two");
        (methods, texts.remove(0), password)
    })
    .await
}

#[tokio::test]
async fn name_and_password_are_told_to_who_asks_and_shown_to_nobody() {
    let (name, password) = ("n".repeat(255), "hunter2".repeat(36));
    for (verdict, lets_in) in [(0, true), (1, false), (0xff, false)] {
        let played = asking(verdict).await;
        let login = played.proxy.clone().login(&*name, &*password);
        let onion = Onion::new().proxies([login.expect("they fit")]);
        let shown = format!("{onion:?}");
        let dialed = onion.dial(to()).await;
        assert_eq!(dialed.is_ok(), lets_in);
        if let Err(error) = dialed {
            assert!(matches!(failures(&error)[..], [Failure::Login]));
            let source = std::error::Error::source(&error).expect("a source");
            let shown = format!("{shown} {error} {error:?} {source}");
            assert!(
                !shown.contains("hunter2") && !shown.contains("nnn"),
                "{shown}"
            );
        }
        let told = played.over().await;
        assert_eq!(told, (vec![0, 2], name.clone(), password.clone()));
    }
}

#[tokio::test]
async fn a_login_that_nobody_asks_for_is_not_told() {
    let played = play(async |mut stream| {
        let request = greet(&mut stream).await;
        stream.write_all(CONNECTED).await.expect("sent");
        request
    })
    .await;
    let login = played
        .proxy
        .clone()
        .login("bob", "hunter2")
        .expect("they fit");
    dial([&login], &to()).await.expect("connected");
    let (_, rest) = played.over().await;
    assert_eq!(rest, [NAME.as_bytes(), &8008_u16.to_be_bytes()].concat());
}

/// As whom a proxy sees us that asks.
async fn seen(onion: &Onion, to: &str) -> String {
    let played = asking(0).await;
    let dialed = onion.clone().proxies([played.proxy.clone()]).dial(to).await;
    dialed.expect("connected");
    let (_, name, password) = played.over().await;
    assert!(!password.is_empty());
    name
}

#[tokio::test]
async fn isolated_peers_are_seen_under_names_of_their_own() {
    let one = Onion::new().isolate_peers();
    let upper = format!("onion:{}.:8008", NAME.to_uppercase());
    assert_eq!(seen(&one, &to()).await, seen(&one, &upper).await);
    let names = [
        seen(&one, &to()).await,
        seen(&one, &format!("onion:{NAME}:8009")).await,
        seen(&one.clone().isolate_by("key"), &to()).await,
        seen(&Onion::new().isolate_peers(), &to()).await,
        seen(&Onion::new().isolate_by("key"), &to()).await,
    ];
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{names:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_isolate_is_told_nothing_when_that_is_asked() {
    let played = play(async |mut stream| {
        stream.read_exact(&mut [0; 4]).await.expect("a greeting");
        stream.write_all(&[5, 0]).await.expect("sent");
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told).await;
        told
    })
    .await;
    let taken: Proxy = "socks5://bob:hunter2@127.0.0.1:1".parse().expect("one");
    let onion = Onion::new().isolate_peers();
    let onion = onion.proxies([played.proxy.clone(), taken]);
    let error = onion.dial(to()).await.expect_err("not isolated");
    assert!(matches!(
        failures(&error)[..],
        [Failure::NotIsolated, Failure::NotIsolated]
    ));
    assert_eq!(played.over().await, b"");
}
