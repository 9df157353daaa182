//! Many stacks, one door.

mod support;

use std::{
    net::TcpListener as StdListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use support::{HANG, closed_port, echo, identity, round_trip, shs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
use tower_multiserver::{
    Connection, ErrorKind, LayerTime, MultiAddress, MultiServer, Scope, channel::Channel, net::Net,
    noauth::NoauthLayer,
};

fn multi(name: &str) -> MultiServer {
    MultiServer::new()
        .stack(shs(name).layer(Net::new()))
        .stack(shs(name).layer(Channel::global()))
        .stack(NoauthLayer::new(identity(name).public_key()).layer(Net::new()))
}

#[tokio::test]
async fn the_first_address_that_is_understood_is_dialed() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let mut server = server.expect("listening");
    let known = server.addresses(Scope::Device).expect("an address");
    let key = identity("bob").public_key();
    let to = format!("fake:peer.ignore~nul:what;onion:x.onion:1~shs:{key};net:h:1;{known}");
    let (dialed, accepted) = tokio::join!(multi("alice").dial(&*to), server.next());
    let (dialed, accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );
    assert_eq!(MultiAddress::from(dialed.info().address().clone()), known);
    tokio::join!(echo(accepted), round_trip(dialed, b"hello"));
}

#[tokio::test]
async fn it_is_a_service_of_address_lists() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let mut server = server.expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let (dialed, accepted) = tokio::join!(multi("alice").oneshot(to), server.next());
    dialed.expect("dialed");
    accepted.expect("one").expect("accepted");
}

#[tokio::test]
async fn a_failure_of_the_one_that_is_understood_is_final() {
    let (_reserved, gone) = closed_port();
    let key = identity("bob").public_key();
    let to = format!("net:{gone}~shs:{key};net:{gone}~noauth");
    let error = multi("alice").dial(&*to).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Io);
    let at = error.address().expect("a place").to_string();
    assert_eq!(at, format!("net:{gone}"));
}

#[tokio::test]
async fn when_nothing_is_understood_one_error_says_why_each_was_refused() {
    let seed = data_encoding::BASE64.encode(&[7; 32]);
    let key = identity("bob").public_key();
    let to = format!("onion:x.onion:1~shs:{key}:{seed};net:host:99999~noauth");
    let error = multi("alice").dial(&*to).await.expect_err("not understood");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let source = std::error::Error::source(&error)
        .expect("reasons")
        .to_string();
    assert!(source.contains("onion:x.onion:1~shs"), "{source}");
    assert!(source.contains("65535"), "{source}");
    assert!(!source.contains(&seed) && !format!("{error:?}").contains(&seed));
}

#[tokio::test]
async fn a_long_list_from_outside_is_walked_without_a_long_error() {
    let to = vec!["fake:address"; 10_000].join(";");
    let error = multi("alice").dial(&*to).await.expect_err("not understood");
    let source = std::error::Error::source(&error)
        .expect("reasons")
        .to_string();
    assert!(source.len() < 10_000, "{} bytes", source.len());
}

#[tokio::test]
async fn the_one_good_address_behind_a_hundred_thousand_others_is_dialed() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let mut server = server.expect("listening");
    let good = server.addresses(Scope::Device).expect("an address");
    let to = format!("{}{good}", "fake:address;".repeat(100_000));
    let (dialed, accepted) = tokio::join!(multi("alice").dial(&*to), server.next());
    assert_eq!(
        MultiAddress::from(dialed.expect("dialed").info().address().clone()),
        good
    );
    accepted.expect("one").expect("accepted");
}

/// An address never talks a client out of its encryption, nor into plaintext that another stack would speak.
#[tokio::test]
async fn sections_left_over_or_missing_are_never_dialed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let socket = listener.local_addr().expect("an address");
    let key = identity("bob").public_key();
    let encrypted = MultiServer::new().stack(shs("alice").layer(Net::new()));
    let plain = MultiServer::new().stack(NoauthLayer::new(key).layer(Net::new()));
    for (multi, to) in [
        (&encrypted, format!("net:{socket}")),
        (&encrypted, format!("net:{socket}~noauth")),
        (&encrypted, format!("net:{socket}~shs:{key}~noauth")),
        (&encrypted, format!("net:{socket}~noauth~shs:{key}")),
        (&encrypted, format!("shs:{key}")),
        (&plain, format!("net:{socket}~shs:{key}")),
        (&plain, format!("net:{socket}")),
    ] {
        let error = multi.dial(&*to).await.expect_err(&to);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{to}");
    }
    let nobody = timeout(Duration::ZERO, listener.accept()).await;
    assert!(nobody.is_err(), "somebody connected");
}

/// And no server is opened in the clear, or as somebody else, because of what an address says or leaves out.
#[tokio::test]
async fn sections_left_over_or_missing_are_never_listened_on() {
    let (alice, key) = (identity("alice").public_key(), identity("bob").public_key());
    let encrypted = MultiServer::new().stack(shs("alice").layer(Net::new()));
    let plain = MultiServer::new().stack(NoauthLayer::new(alice).layer(Net::new()));
    for (multi, at) in [
        (&encrypted, "net:127.0.0.1:0".to_owned()),
        (&encrypted, "net:127.0.0.1:0~noauth".to_owned()),
        (&encrypted, "net:127.0.0.1:0~shs~noauth".to_owned()),
        (&encrypted, "net:127.0.0.1:0~noauth~shs".to_owned()),
        (&encrypted, format!("net:127.0.0.1:0~shs:{key}")),
        (&encrypted, "shs".to_owned()),
        (&plain, "net:127.0.0.1:0~shs".to_owned()),
        (&plain, format!("net:127.0.0.1:0~shs:{alice}")),
        (&plain, "net:127.0.0.1:0".to_owned()),
    ] {
        let error = multi.listen(&*at).await.expect_err(&at);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{at}");
    }
}

#[tokio::test]
async fn several_addresses_are_listened_on_at_once() {
    let server = multi("bob")
        .listen("net:127.0.0.1:0~shs;channel:several~shs;net:127.0.0.1:0~noauth")
        .await;
    let mut server = server.expect("listening");
    assert_eq!(server.addresses(Scope::Public), None);
    let all = server.addresses(Scope::Device).expect("addresses");
    assert_eq!(all.iter().count(), 3);
    for address in all.iter() {
        let (dialed, accepted) = tokio::join!(multi("alice").dial(address.clone()), server.next());
        let (dialed, accepted) = (
            dialed.expect("dialed"),
            accepted.expect("one").expect("accepted"),
        );
        tokio::join!(echo(accepted), round_trip(dialed, b"hello"));
    }
}

#[tokio::test]
async fn if_one_address_fails_it_is_named_and_nothing_stays_bound() {
    let taken = StdListener::bind("127.0.0.1:0").expect("bound");
    let net = format!("net:{}", taken.local_addr().expect("an address"));
    let at = format!("channel:free-again~shs;{net}~shs");
    let error = multi("bob").listen(&*at).await.expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::Io);
    let named = error.address().expect("a place").to_string();
    assert_eq!(named, net);
    let again = multi("bob").listen("channel:free-again~shs").await;
    again.expect("not bound any more");
}

#[tokio::test]
async fn serve_runs_a_handler_a_connection_and_drains_at_the_signal() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let server = server.expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let handler = service_fn(move |connection: Connection| {
        count.fetch_add(1, SeqCst);
        async {
            echo(connection).await;
            Ok::<_, BoxError>(())
        }
    });
    let (stop, signal) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(handler, async { drop(signal.await) }));

    let first = multi("alice").dial(to.clone()).await.expect("dialed");
    let mut second = multi("carol").dial(to.clone()).await.expect("dialed");
    round_trip(first, b"one").await;
    // An answer shows that its handler runs.
    second.write_all(b"two").await.expect("sent");
    second.read_exact(&mut [0; 3]).await.expect("an answer");
    drop(stop);
    // No more are accepted, …
    while multi("dave").dial(to.clone()).await.is_ok() {}
    assert!(!serving.is_finished());
    // … and the one that is there works to its end.
    round_trip(second, b"three").await;
    timeout(HANG, serving)
        .await
        .expect("drained")
        .expect("no panic");
    assert!(handled.load(SeqCst) >= 2);
}

#[tokio::test]
async fn dropping_serve_ends_the_server_and_every_handler() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let server = server.expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let handler = service_fn(|mut connection: Connection| async move {
        connection.write_all(b"hi").await?;
        std::future::pending::<Result<(), BoxError>>().await
    });
    let serving = tokio::spawn(server.serve(handler, std::future::pending()));
    let mut dialed = multi("alice").dial(to.clone()).await.expect("dialed");
    dialed.read_exact(&mut [0; 2]).await.expect("a greeting");
    serving.abort();
    let cut = timeout(HANG, dialed.read(&mut [0])).await.expect("no hang");
    assert!(cut.is_err(), "a cut is no clean end");
    assert!(multi("alice").dial(to).await.is_err());
}

#[tokio::test]
async fn a_handler_that_panics_or_fails_ends_its_own_connection_only() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let server = server.expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let handler = service_fn(|mut connection: Connection| async move {
        match connection.read_u8().await? {
            0 => panic!("in a handler"),
            1 => Err(BoxError::from("a handler's own error")),
            _ => {
                echo(connection).await;
                Ok(())
            }
        }
    });
    let _serving = tokio::spawn(server.serve(handler, std::future::pending()));
    for bad in [0, 1] {
        let mut dialed = multi("alice").dial(to.clone()).await.expect("dialed");
        dialed.write_u8(bad).await.expect("sent");
        assert!(dialed.read_u8().await.is_err());
    }
    let mut dialed = multi("alice").dial(to).await.expect("dialed");
    dialed.write_u8(2).await.expect("sent");
    round_trip(dialed, b"hello").await;
}

#[tokio::test]
async fn a_scan_from_the_network_is_told_and_does_no_harm() {
    let server = multi("bob").listen("net:127.0.0.1:0~shs").await;
    let mut server = server.expect("listening");
    let to = server.addresses(Scope::Device).expect("an address");
    let net = to.iter().next().expect("one").sections()[0]
        .text()
        .to_owned();
    let mut scanner = TcpStream::connect(&net["net:".len()..])
        .await
        .expect("connected");
    scanner
        .write_all("GET / HTTP/1.1\r\nHost: localhost\r\n".repeat(4).as_bytes())
        .await
        .expect("sent");
    let error = server.next().await.expect("one").expect_err("not shs");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    let mut answer = Vec::new();
    // Closed without a word; a reset, where it had not read everything.
    let _ = scanner.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    let (dialed, accepted) = tokio::join!(multi("alice").dial(to), server.next());
    dialed.expect("dialed");
    accepted.expect("one").expect("accepted");
}

#[tokio::test]
async fn both_sides_know_how_long_each_layer_took() {
    let client = multi("alice").stack(Net::new());
    for (address, layers) in [
        ("net:127.0.0.1:0~shs", &["net", "shs"][..]),
        ("net:127.0.0.1:0~noauth", &["net", "noauth"]),
        ("net:127.0.0.1:0", &["net"]),
    ] {
        let server = multi("bob").stack(Net::new()).listen(address).await;
        let mut server = server.expect("listening");
        let to = server.addresses(Scope::Device).expect("an address");
        let (dialed, accepted) = tokio::join!(client.dial(to), server.next());
        let (dialed, accepted) = (dialed.expect("dialed"), accepted.expect("one"));
        for side in [dialed, accepted.expect("accepted")] {
            let times = side.info().all::<LayerTime>();
            let names: Vec<_> = times.map(LayerTime::layer).collect();
            assert_eq!(names, layers, "{address}");
        }
    }
}
