//! Peers that speak something else.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::{
    Address, ErrorKind, MultiServer, StackExt as _, net::Net, ws::Ws, wss::Wss,
};

use crate::lab::{
    Authority, accept_tls, address, authority_of, closing, connect, foreign, next, raw, socket,
    soon, tls,
};

#[tokio::test]
async fn an_address_that_is_not_understood_is_refused_before_any_io() {
    let long = format!("wss://{}.example", "x".repeat(64));
    for address in [
        "ws://127.0.0.1:1",
        "net:127.0.0.1:1",
        "wss://127.0.0.1:1~shs:KEY",
        "wss://user:secret@127.0.0.1:1",
        "wss:127.0.0.1",
        "wss://a..b:1",
        &long,
    ] {
        let dialed = Wss::new().dial(address).now_or_never().expect("at once");
        let error = dialed.expect_err(address);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    for address in [
        "ws://127.0.0.1:0",
        "wss://u:secret@:0",
        "wss://:0?x",
        "net::0",
    ] {
        let listened = Wss::new().listen(address, closing()).now_or_never();
        let error = listened.expect("at once").expect_err(address);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_client_dials_with_tls_or_without_as_it_was_declared_and_never_else() {
    let plain = MultiServer::new().stack(Ws::new()).stack(Net::new());
    let secure = MultiServer::new().stack(Wss::new());
    for (client, address) in [(&plain, "wss://127.0.0.1:1"), (&secure, "ws://127.0.0.1:1")] {
        let error = client.dial(address).await.expect_err(address);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
    }
}

#[tokio::test]
async fn what_is_not_tls_is_a_failed_handshake_for_the_server_which_goes_on() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    let to = address(&server);
    for garbage in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9\r\n",
        &[0; 64],
        &[0xff; 20_000],
        b"\x16\x03\x01\xff\xff",
        b"",
    ] {
        let talk = async {
            let mut stranger = raw(&to).await;
            // What is left of it may meet a closed door.
            let _ = stranger.write_all(garbage).await;
            let _ = stranger.shutdown().await;
            let mut answer = Vec::new();
            let _ = stranger.read_to_end(&mut answer).await;
            // An alert, and nothing else.
            assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
        };
        let ((), told) = soon(async { tokio::join!(talk, next(&mut server)) }).await;
        let error = told.expect_err("garbage");
        assert_eq!(error.kind(), ErrorKind::Handshake, "{garbage:?}");
        let at = error.address().expect("a place").to_string();
        assert!(at.starts_with("wss://127.0.0.1:"), "{at}");
    }
    connect(&mut server, &client).await;
}

#[tokio::test]
async fn a_client_that_speaks_other_protocols_inside_tls_is_refused() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    let to = address(&server);
    let mut config = foreign(&authority, rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (stranger, told) = tokio::join!(tls(config, &to), next(&mut server));
    stranger.expect_err("no protocol in common");
    assert_eq!(told.expect_err("h2").kind(), ErrorKind::Handshake);
    connect(&mut server, &client).await;
}

#[tokio::test]
async fn tls_and_plain_ports_are_told_apart_by_both_kinds_of_clients() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    let to = address(&server);
    let plainly = to.replace("wss:", "ws:");
    let (dialed, told) = tokio::join!(Ws::new().dial(plainly), next(&mut server));
    assert_eq!(dialed.expect_err("TLS").kind(), ErrorKind::Handshake);
    assert_eq!(told.expect_err("HTTP").kind(), ErrorKind::Handshake);

    let mut plain = Ws::new()
        .listen("ws://127.0.0.1:0", closing())
        .await
        .expect("listening");
    let to = plain.addresses()[0].1.to_string().replace("ws:", "wss:");
    let dialed = tokio::select! {
        dialed = client.dial(&*to) => dialed,
        accepted = plain.next() => panic!("nothing to accept: {accepted:?}"),
    };
    let error = dialed.expect_err("HTTP");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_eq!(error.address().map(Address::to_string), Some(to));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_or_hangs_up_is_a_failed_handshake() {
    let client = Wss::new().trust(Authority::new().trust());
    for banner in [
        "",
        "SSH-2.0-OpenSSH_9\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let (listener, to) = socket().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(banner.as_bytes()).await.expect("sent");
            stream.shutdown().await.expect("ended");
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let (dialed, ()) = soon(async { tokio::join!(client.dial(to), server) }).await;
        let error = dialed.expect_err("no TLS");
        assert_eq!(error.kind(), ErrorKind::Handshake, "{banner:?}");
    }
}

#[tokio::test]
async fn a_server_that_serves_no_websocket_inside_tls_is_a_failed_handshake() {
    let authority = Authority::new();
    let client = Wss::new().trust(authority.trust());
    let (listener, to) = socket().await;
    let server = async {
        let config = authority.here().foreign(rustls::ALL_VERSIONS);
        let mut stream = accept_tls(config, &listener).await.expect("TLS");
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        stream
    };
    let (dialed, _stream) = soon(async { tokio::join!(client.dial(to), server) }).await;
    assert_eq!(dialed.expect_err("404").kind(), ErrorKind::Handshake);
}

#[tokio::test]
async fn one_deadline_covers_the_connect_tls_and_the_opening_handshake() {
    let authority = Authority::new();
    let ws = Ws::new().dial_timeout(Duration::from_millis(50));
    let mute_in_tls = Wss::over(ws).trust(authority.trust());
    let (listener, to) = socket().await;
    let error = mute_in_tls.dial(&*to).await.expect_err("mute");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.address().map(Address::to_string), Some(to));
    drop(listener);

    let ws = Ws::new().dial_timeout(Duration::from_secs(1));
    let mute_in_http = Wss::over(ws).trust(authority.trust());
    let (listener, to) = socket().await;
    let server = async {
        let config = authority.here().foreign(rustls::ALL_VERSIONS);
        accept_tls(config, &listener).await
    };
    let (dialed, _stream) = soon(async { tokio::join!(mute_in_http.dial(to), server) }).await;
    assert_eq!(dialed.expect_err("mute").kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn nobody_listening_is_an_error_of_the_transport() {
    let (_socket, refusing) = crate::support::closed_port();
    let to = format!("wss://{refusing}");
    assert_eq!(authority_of(&to), refusing.to_string());
    let client = Wss::new().trust(Authority::new().trust());
    let error = client.dial(&*to).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Io);
}
