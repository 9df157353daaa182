//! Dialing and listening.

use std::{
    net::{Ipv4Addr, Ipv6Addr, TcpListener as StdListener},
    time::Duration,
};

use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower_multiserver::{
    Address, ErrorKind, LocalAddr, PeerAddr, Scope, Section, StackExt as _,
    ws::{Refused, Request, Ws},
};

use crate::lab::{accept, address, ask, beside, closing, connect, handshake, listen, raw, told};

fn section(text: &str) -> Section {
    text.parse().expect("a section")
}

#[tokio::test]
async fn port_0_is_advertised_as_the_real_port_and_an_empty_host_is_this_machine() {
    let mut server = listen(Ws::new(), "ws://:0").await;
    let [(Scope::Device, to)] = &*told(&server) else {
        panic!("one address, not {:?}", told(&server));
    };
    assert!(
        to.starts_with("ws://localhost:") && !to.ends_with(":0"),
        "{to}"
    );
    let (dialed, accepted) = connect(&mut server, to).await;
    assert_eq!(dialed.info().address().to_string(), *to);
    assert_eq!(dialed.info().scope(), Scope::Device);
    assert!(!dialed.info().has_half_close() && !accepted.info().has_half_close());
    assert!(dialed.deadline().is_some() && accepted.deadline().is_some());
}

#[tokio::test]
async fn both_ends_know_both_socket_addresses_and_the_server_the_request() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server) + "/chat?room=1";
    let token = HeaderValue::from_static("Bearer x");
    let ws = Ws::new().header(header::AUTHORIZATION, token);
    assert!(!format!("{ws:?}").contains("Bearer"));
    let (dialed, accepted) = tokio::join!(ws.dial(&*to), accept(&mut server));
    let (dialed, accepted) = (dialed.expect("dialed"), accepted.info());
    let PeerAddr(server_addr) = *dialed.info().get().expect("the server's");
    let LocalAddr(client_addr) = *dialed.info().get().expect("the client's");
    assert_eq!(accepted.get(), Some(&PeerAddr(client_addr)));
    assert_eq!(accepted.get(), Some(&LocalAddr(server_addr)));
    assert_eq!(accepted.scope(), Scope::Device);
    let from = format!("ws://{client_addr}");
    assert_eq!(accepted.address().to_string(), from);
    let request: &Request = accepted.get().expect("the request");
    assert_eq!(request.uri(), "/chat?room=1");
    assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer x");
    assert_eq!(request.headers().get(header::ORIGIN), None);
}

#[tokio::test]
async fn a_wildcard_is_reached_over_both_families_and_peers_have_plain_addresses() {
    let mut server = listen(Ws::new(), "ws://[::]:0").await;
    let addresses = told(&server);
    let device: Vec<_> = addresses
        .iter()
        .filter(|(scope, _)| *scope == Scope::Device)
        .collect();
    let [(_, localhost)] = &*device else {
        panic!("one address for this machine, not {device:?}");
    };
    assert!(
        !addresses
            .iter()
            .any(|(_, address)| address.contains("[::]") || address.contains('%'))
    );
    let port = localhost.rsplit(':').next().expect("a port").to_owned();
    for host in ["127.0.0.1", "[::1]"] {
        let (_, accepted) = connect(&mut server, &format!("ws://{host}:{port}")).await;
        let from = accepted.info().address().to_string();
        assert!(from.starts_with(&format!("ws://{host}:")), "{from}");
        assert_eq!(accepted.info().scope(), Scope::Device);
    }
}

#[tokio::test]
async fn a_path_to_listen_at_is_advertised_and_required() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0/ssb").await;
    let to = address(&server);
    assert!(to.ends_with("/ssb"), "{to}");
    connect(&mut server, &format!("{to}?any=query")).await;
    for other in [
        to.replace("/ssb", ""),
        to.replace("/ssb", "/other"),
        to.clone() + "/",
    ] {
        let ws = Ws::new();
        let error = beside(&mut server, ws.dial(&*other))
            .await
            .expect_err(&other);
        assert_eq!(error.kind(), ErrorKind::Handshake);
        let refused: Option<&Refused> =
            std::error::Error::source(&error).and_then(|source| source.downcast_ref());
        assert_eq!(
            refused.map(|refused| refused.status()),
            Some(StatusCode::NOT_FOUND)
        );
        assert_eq!(error.address().map(Address::to_string), Some(other));
    }
}

#[tokio::test]
async fn an_external_section_is_told_to_the_public_and_makes_all_peers_public() {
    let external = ["wss://example.com/ssb", "onion:x.onion:8008"].map(section);
    let mut server = listen(Ws::new().external(external), "ws://127.0.0.1:0").await;
    let [(Scope::Device, own), public @ ..] = &*told(&server) else {
        panic!("its own address first, not {:?}", told(&server));
    };
    let expected = ["wss://example.com/ssb", "onion:x.onion:8008"];
    assert_eq!(
        public,
        expected.map(|address| (Scope::Public, address.to_owned()))
    );
    let (_, accepted) = connect(&mut server, own).await;
    assert_eq!(accepted.info().scope(), Scope::Public);
}

#[tokio::test]
async fn a_socket_that_is_bound_already_is_listened_on_once() {
    let bound = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let port = bound.local_addr().expect("an address").port();
    let ws = Ws::new().bound(bound);
    let other = ws.listen("ws://127.0.0.1:1", closing()).await;
    assert_eq!(other.expect_err("another port").kind(), ErrorKind::Io);
    let mut server = listen(ws.clone(), "ws://127.0.0.1").await;
    assert_eq!(address(&server), format!("ws://127.0.0.1:{port}"));
    let to = address(&server);
    connect(&mut server, &to).await;
    let again = ws.listen("ws://127.0.0.1", closing()).await;
    assert_eq!(again.expect_err("in use").kind(), ErrorKind::Io);
}

#[tokio::test]
async fn bytes_go_both_ways_and_a_shutdown_and_drop_end_them_cleanly() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let (mut dialed, mut accepted) = connect(&mut server, &to).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    let echo = async {
        let mut bytes = vec![0; 10_000];
        let mut left = sent.len();
        while left > 0 {
            let len = accepted.read(&mut bytes).await.expect("bytes");
            accepted.write_all(&bytes[..len]).await.expect("a reader");
            left -= len;
        }
        accepted.shutdown().await.expect("a reader");
        drop(accepted);
    };
    let (mut read, mut write) = tokio::io::split(&mut dialed);
    let send = async {
        write.write_all(&sent).await.expect("a reader");
        write.flush().await.expect("a reader");
    };
    let mut received = Vec::new();
    let (received_all, (), ()) = tokio::join!(read.read_to_end(&mut received), send, echo);
    received_all.expect("a clean end");
    assert!(received == sent);
    dialed
        .shutdown()
        .await
        .expect("the peer has closed, and we do");
}

#[tokio::test]
async fn a_dropped_peer_is_no_clean_end() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let (dialed, mut accepted) = connect(&mut server, &to).await;
    drop(dialed);
    let error = accepted.read(&mut [0]).await.expect_err("no close frame");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_text_message_is_answered_with_1003_and_the_server_goes_on() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let mut browser = raw(&to).await;
    let (answer, mut accepted) =
        tokio::join!(ask(&mut browser, handshake("/", "")), accept(&mut server));
    assert_eq!(answer.0, 101);
    browser
        .write_all(b"\x81\x82\0\0\0\0hi")
        .await
        .expect("sent");
    let error = accepted.read(&mut [0]).await.expect_err("text");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    drop(accepted);
    assert_eq!(crate::lab::rest(&mut browser).await, b"\x88\x02\x03\xeb");
    connect(&mut server, &to).await;
}

#[tokio::test]
async fn messages_behind_the_request_and_split_ones_are_all_read() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let mut peer = raw(&address(&server)).await;
    // A client that does not wait for the answer, and a header and a body in two messages.
    let mut bytes = handshake("/", "").into_bytes();
    bytes.extend(b"\x82\x82\0\0\0\0he");
    bytes.extend(b"\x82\x83\0\0\0\0llo");
    peer.write_all(&bytes).await.expect("sent");
    let mut accepted = accept(&mut server).await;
    let mut read = [0; 5];
    accepted.read_exact(&mut read).await.expect("bytes");
    assert_eq!(&read, b"hello");
}

#[tokio::test]
async fn an_address_that_is_not_understood_is_refused_before_any_io() {
    for address in [
        "wss://127.0.0.1:1",
        "net:127.0.0.1:1",
        "ws://127.0.0.1:1~shs:KEY",
        "ws://user:secret@127.0.0.1:1",
        "ws:127.0.0.1",
    ] {
        let dialed = Ws::new().dial(address).now_or_never().expect("at once");
        let error = dialed.expect_err(address);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
        assert!(!format!("{error} {error:?}").contains("secret"));
        let listened = Ws::new().listen(address, closing()).now_or_never();
        let error = listened.expect("at once").expect_err(address);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
    }
}

#[tokio::test]
async fn one_deadline_covers_the_connect_and_the_opening_handshake() {
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("bound");
    let to = format!("ws://{}", mute.local_addr().expect("an address"));
    let ws = Ws::new().dial_timeout(Duration::from_millis(50));
    let error = ws.dial(&*to).await.expect_err("mute");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.address().map(Address::to_string), Some(to));
}

#[tokio::test]
async fn nobody_listening_and_a_port_in_use_are_errors_of_the_transport() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("bound");
    let to = format!("ws://{}", socket.local_addr().expect("an address"));
    assert_eq!(
        Ws::new().dial(&*to).await.expect_err("refused").kind(),
        ErrorKind::Io
    );

    let server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let second = Ws::new().listen(&*address(&server), closing()).await;
    let error = second.expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(
        error.address().map(Address::to_string),
        Some(address(&server))
    );
}

#[tokio::test]
async fn an_ipv6_server_is_advertised_in_brackets() {
    if StdListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: no IPv6 here");
        return;
    }
    let mut server = listen(Ws::new(), "ws://[::1]:0").await;
    let to = address(&server);
    assert!(to.starts_with("ws://[::1]:"), "{to}");
    connect(&mut server, &to).await;
}
