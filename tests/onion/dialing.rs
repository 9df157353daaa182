//! What a stack over the onion transport does, and what goes over the wire.

use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::Layer as _;
use tower_multiserver::{
    Error, ErrorKind, LocalAddr, MultiServer, PeerAddr, Scope, Shutdown, StackExt as _,
    net::Net,
    onion::{BadDestination, Onion},
    shs::ShsLayer,
};

use crate::{
    lab::{CONNECTED, NAME, answering, dial, greet, play, proxy},
    support::{address, echo, identity, round_trip, shs},
};

#[tokio::test]
async fn the_bytes_are_those_of_javascript() {
    let played = play(async |mut stream| {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        stream.write_all(&[5, 0]).await.expect("sent");
        let mut request = vec![0; 5 + NAME.len() + 2];
        stream.read_exact(&mut request).await.expect("a request");
        stream.write_all(CONNECTED).await.expect("sent");
        (greeting, request)
    })
    .await;
    let to = format!("onion:{NAME}:8008");
    dial([&played.proxy], &to).await.expect("connected");
    let (greeting, request) = played.over().await;
    assert_eq!(greeting, [5, 1, 0]);
    let expected = [&[5, 1, 0, 3, 62], NAME.as_bytes(), &[0x1f, 0x48]].concat();
    assert_eq!(request, expected);
}

#[tokio::test]
async fn every_host_but_an_ip_address_goes_to_the_proxy_as_a_name() {
    let upper = NAME.to_uppercase();
    for (host, kind, sent) in [
        (NAME, 3, NAME.as_bytes()),
        (&format!("{upper}."), 3, NAME.as_bytes()),
        (&format!("www.{NAME}"), 3, format!("www.{NAME}").as_bytes()),
        ("example.com", 3, b"example.com"),
        ("localhost", 3, b"localhost"),
        ("", 3, b"localhost"),
        (&"x".repeat(255), 3, &[b'x'; 255]),
        ("192.0.2.1", 1, &[192, 0, 2, 1]),
        ("::1", 4, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (
            "[::1]",
            4,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ),
    ] {
        let played = play(async |mut stream| {
            let request = greet(&mut stream).await;
            stream.write_all(CONNECTED).await.expect("sent");
            request
        })
        .await;
        let dialed = dial([&played.proxy], &format!("onion:{host}:80")).await;
        dialed.expect(host);
        let expected = (kind, [sent, &[0, 80]].concat());
        assert_eq!(played.over().await, expected, "{host}");
    }
}

#[tokio::test]
async fn a_bad_address_is_refused_before_anybody_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let proxy = proxy(listener.local_addr().expect("bound"));
    let mistyped = NAME.replacen('d', "e", 1);
    for (host, bad) in [
        (&*mistyped, BadDestination::Checksum),
        ("3234j5sv346bpih2.onion", BadDestination::Version2),
        ("x.onion", BadDestination::NoOnionName),
        ("bücher.example", BadDestination::Character),
    ] {
        let to = format!("onion:{host}:8008");
        let error = dial([&proxy], &to).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidAddress);
        assert_eq!(error.address(), Some(&address(&to)));
        let source = std::error::Error::source(&error).expect("a source");
        assert_eq!(source.downcast_ref(), Some(&bad), "{host}");
    }
    for not_understood in [
        format!("onion:{}:1", "x".repeat(256)),
        "onion:host".to_owned(),
        "onion".to_owned(),
        "onion:host:1~shs:KEY".to_owned(),
        "net:host:1".to_owned(),
    ] {
        let error = dial([&proxy], &not_understood).await;
        assert!(
            error.expect_err("refused").is_unsupported(),
            "{not_understood}"
        );
    }
    let nobody = listener.accept().now_or_never();
    assert!(nobody.is_none());
}

/// It would show us where we meant to be hidden.
#[tokio::test]
async fn a_damaged_onion_address_does_not_lead_to_the_next_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let multi = MultiServer::new().stack(Onion::new()).stack(Net::new());
    let mistyped = NAME.replacen('d', "e", 1);
    let addresses = format!("onion:{mistyped}:1;net:127.0.0.1:{port}");
    let error = multi.dial(addresses).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
}

#[tokio::test]
async fn the_facts_say_nothing_of_the_proxy() {
    let played = answering(b"\x05\x00", CONNECTED).await;
    let to = format!("onion:{NAME}:8008");
    let dialed = dial([&played.proxy], &to).await.expect("connected");
    let info = dialed.info();
    assert_eq!(info.address(), &address(&to));
    assert_eq!(info.get::<Scope>(), Some(&Scope::Public));
    assert!(info.get::<PeerAddr>().is_none() && info.get::<LocalAddr>().is_none());
    assert!(!info.has_half_close());
    assert!(dialed.deadline().is_some());
}

#[tokio::test]
async fn a_layer_lies_over_it_as_over_any_transport() {
    let (_shutdown, closing) = Shutdown::new();
    let server = shs("bob").layer(Net::new());
    let mut server = server
        .listen("net:127.0.0.1:0~shs", closing)
        .await
        .expect("bound");
    let (_, at) = &server.addresses()[0];
    let port = at.sections()[0]
        .text()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let played = play(async move |mut stream| {
        greet(&mut stream).await;
        let peer = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await;
        stream.write_all(CONNECTED).await.expect("sent");
        let mut peer = peer.expect("connected");
        tokio::io::copy_bidirectional(&mut stream, &mut peer)
            .await
            .expect("copied");
    })
    .await;
    let onion = Onion::new().proxies([played.proxy.clone()]);
    let to = format!("onion:{NAME}:8008~shs:{}", identity("bob").public_key());
    let alice: ShsLayer = shs("alice");
    let (dialed, accepted) = tokio::join!(alice.layer(onion).dial(&*to), server.next());
    let (dialed, accepted) = (dialed.expect("dialed"), accepted.expect("one"));
    assert_eq!(dialed.info().address(), &address(&to));
    let accepted = accepted.expect("accepted");
    tokio::join!(echo(accepted), round_trip(dialed, &[3; 100_000]));
    played.over().await;
}

/// The proxy ends both directions when it sees the end of one, as Tor does.
#[tokio::test]
async fn an_end_cuts_no_answer_off() {
    let played = play(async |mut stream| {
        greet(&mut stream).await;
        stream.write_all(CONNECTED).await.expect("sent");
        stream.read_exact(&mut [0; 8]).await.expect("a question");
        let early = stream.read(&mut [0]).now_or_never();
        assert!(early.is_none(), "{early:?}");
        stream.write_all(b"an answer").await.expect("sent");
    })
    .await;
    let to = format!("onion:{NAME}:8008");
    let mut dialed = dial([&played.proxy], &to).await.expect("connected");
    dialed.write_all(b"question").await.expect("sent");
    dialed.shutdown().await.expect("ended");
    let mut answer = Vec::new();
    dialed.read_to_end(&mut answer).await.expect("an end");
    assert_eq!(answer, b"an answer");
    played.over().await;
}

/// A socket that is closed with unread data in it sends a reset, and what is still to be sent is gone.
#[tokio::test]
async fn who_is_dropped_has_said_everything_with_a_shutdown_or_without() {
    for is_shut_down in [true, false] {
        let played = play(async |mut stream| {
            greet(&mut stream).await;
            let sent = [CONNECTED, &[0; 10_000]].concat();
            stream.write_all(&sent).await.expect("sent");
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.expect("an end");
            heard.len()
        })
        .await;
        let to = format!("onion:{NAME}:8008");
        let mut dialed = dial([&played.proxy], &to).await.expect("connected");
        let mut sent = 0;
        while let Some(written) = dialed.write(&[1; 10_000]).now_or_never() {
            sent += written.expect("sent");
        }
        if is_shut_down {
            dialed.shutdown().await.expect("held");
        }
        drop(dialed);
        assert_eq!(played.over().await, sent, "{is_shut_down}");
    }
}

#[tokio::test]
async fn an_end_is_told_again_and_nothing_can_be_written_behind_our_own() {
    let played = answering(b"\x05\x00", CONNECTED).await;
    let to = format!("onion:{NAME}:8008");
    let mut dialed = dial([&played.proxy], &to).await.expect("connected");
    for _ in 0..3 {
        assert_eq!(dialed.read(&mut [0]).await.expect("an end"), 0);
    }
    for _ in 0..2 {
        dialed.shutdown().await.expect("ended");
        let error = dialed.write(b"more").await.expect_err("ended");
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn to_listen_is_an_error_that_says_what_to_do_instead() {
    let to = format!("onion:{NAME}:8008");
    let alone: Error = {
        let (_shutdown, closing) = Shutdown::new();
        Onion::new()
            .listen(&*to, closing)
            .await
            .expect_err("dial only")
    };
    let in_a_stack = {
        let multi = MultiServer::new().stack(Onion::new());
        multi.listen(&*to).await.expect_err("dial only")
    };
    for error in [alone, in_a_stack] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let source = std::error::Error::source(&error)
            .expect("a source")
            .to_string();
        assert!(
            source.contains("hidden service") && source.contains("`net`"),
            "{source}"
        );
    }
}
