//! What a server tells, serves, and lets hostile clients hold.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep},
};
use tower_multiserver::{
    ErrorKind, PeerAddr, Scope, StackExt as _,
    ws::Ws,
    wss::{Tls, TlsVersion, Wss},
};

use crate::lab::{
    Authority, HANDSHAKE, address, ask, closing, connect, foreign, listen, next, raw, soon, tls,
};

#[tokio::test]
async fn the_default_ports_are_not_printed_and_others_are() {
    for (at, told) in [
        ("wss://127.0.0.1/p", "wss://127.0.0.1/p"),
        ("wss://127.0.0.1:443/p", "wss://127.0.0.1/p"),
        ("wss://127.0.0.1:80", "wss://127.0.0.1:80"),
        ("wss://localhost:8443/p", "wss://localhost:8443/p"),
    ] {
        // A server elsewhere does TLS: nothing is bound, and no certificate is needed.
        let (_service, ws) = Ws::hosted();
        assert_eq!(address(&listen(Wss::over(ws), at).await), told);
    }
    let (_service, ws) = Ws::hosted();
    let listening = ws.listen("ws://127.0.0.1:80/p", closing()).await;
    let told = listening.expect("listening").addresses()[0].1.to_string();
    assert_eq!(told, "ws://127.0.0.1/p");
}

#[tokio::test]
async fn to_listen_takes_a_certificate() {
    let error = Wss::new().listen("wss://127.0.0.1:0", closing()).await;
    let error = error.expect_err("no certificate");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_settings_of_a_ws_hold_and_a_fallback_knows_of_tls() {
    let authority = Authority::new();
    let fallback = tower::service_fn(async |request: Request<_>| {
        let tls: &Tls = request.extensions().get().expect("a fact");
        let PeerAddr(peer) = request.extensions().get().expect("a fact");
        let said = format!("{} from {peer}", tls.version());
        Ok::<_, Infallible>(Response::new(said))
    });
    let ws = Ws::new().fallback(fallback);
    let server = Wss::over(ws).certificate(authority.here().ours());
    let mut server = listen(server, "wss://127.0.0.1:0/ssb").await;
    let to = address(&server);
    let browse = async {
        let config = foreign(&authority, &[&rustls::version::TLS12]);
        let mut page = tls(config.clone(), &to).await.expect("TLS");
        let expected = format!(
            "TLS 1.2 from {}",
            page.get_ref().0.local_addr().expect("ours")
        );
        let head = ask(&mut page, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut body = vec![0; expected.len()];
        page.read_exact(&mut body).await.expect("a body");
        assert_eq!(String::from_utf8_lossy(&body), expected);
        // Pages of strangers stay out, and a WebSocket may follow on a connection that asked for none.
        let evil = HANDSHAKE
            .replace("GET /", "GET /ssb")
            .replace("\r\n\r\n", "\r\norigin: https://evil.example\r\n\r\n");
        let head = ask(&mut page, &evil).await;
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
        let length = head.split("content-length: ").nth(1).expect("a length");
        let length = length.lines().next().expect("a line").parse();
        let mut told = vec![0; length.expect("a number")];
        page.read_exact(&mut told).await.expect("a reason");
        assert_eq!(page.read(&mut [0]).await.expect("an end"), 0);
        let mut page = tls(config, &to).await.expect("TLS");
        let head = ask(&mut page, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let expected = format!(
            "TLS 1.2 from {}",
            page.get_ref().0.local_addr().expect("ours")
        );
        page.read_exact(&mut vec![0; expected.len()])
            .await
            .expect("a body");
        let head = ask(&mut page, &HANDSHAKE.replace("GET /", "GET /ssb")).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        page
    };
    let (_page, accepted) = soon(async { tokio::join!(browse, next(&mut server)) }).await;
    let accepted = accepted.expect("accepted");
    let tls: &Tls = accepted.info().get().expect("a fact");
    assert_eq!(tls.version(), TlsVersion::V1_2);
    assert_eq!(accepted.info().scope(), Scope::Device);
}

#[tokio::test]
async fn a_client_hello_in_single_bytes_is_understood() {
    let authority = Authority::new();
    let (mut server, _) = authority.server().await;
    let to = address(&server);
    // Between them a pipe that takes a byte at a time.
    let (near, far) = tokio::io::duplex(1);
    let pipe = async {
        let (mut read, mut write) = raw(&to).await.into_split();
        let (mut from, mut into) = tokio::io::split(far);
        let out = async {
            while let Ok(byte) = from.read_u8().await {
                write.write_all(&[byte]).await.expect("sent");
            }
        };
        let back = async {
            let _ = tokio::io::copy(&mut read, &mut into).await;
        };
        tokio::join!(out, back)
    };
    let config = std::sync::Arc::new(foreign(&authority, rustls::ALL_VERSIONS));
    let client = async {
        let name = "localhost".try_into().expect("a name");
        let connector = tokio_rustls::TlsConnector::from(config);
        let mut stream = connector.connect(name, near).await.expect("TLS");
        ask(&mut stream, HANDSHAKE).await
    };
    let test = async { tokio::join!(client, next(&mut server)) };
    let (head, accepted) = tokio::select! {
        done = soon(test) => done,
        _ = pipe => unreachable!("the client is still there"),
    };
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    accepted.expect("accepted");
}

#[tokio::test]
async fn a_crowd_of_clients_that_are_mute_in_tls_delays_nobody() {
    let authority = Authority::new();
    let server = Wss::over(Ws::new().max_connections(50)).certificate(authority.here().ours());
    let mut server = listen(server, "wss://127.0.0.1:0").await;
    let client = Wss::new().trust(authority.trust());
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let mut mute = raw(&address(&server)).await;
        // The head of a record that never comes.
        mute.write_all(b"\x16\x03\x01\x02\0").await.expect("sent");
        crowd.push(mute);
    }
    // The youngest of the crowd is there until its deadline.
    let mut last = crowd.pop().expect("a crowd");
    let mut byte = [0];
    tokio::select! {
        biased;
        _ = connect(&mut server, &client) => {}
        _ = last.read(&mut byte) => panic!("it waited for the crowd's deadline"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_deadline_covers_tls_and_the_request_and_a_mute_client_is_told_of() {
    let authority = Authority::new();
    let (mut server, _) = authority.server().await;
    let to = address(&server);
    let start = Instant::now();
    let (second, patience) = (Duration::from_secs(1), Duration::from_secs(5));

    let mute = async {
        let mut client = raw(&to).await;
        assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    };
    let ((), told) = tokio::join!(mute, next(&mut server));
    assert_eq!(told.expect_err("mute").kind(), ErrorKind::Timeout);
    assert!(start.elapsed() >= patience && start.elapsed() < patience + second);

    // TLS after three seconds, and then nothing.
    let start = Instant::now();
    let config = std::sync::Arc::new(foreign(&authority, rustls::ALL_VERSIONS));
    let slow = async {
        let stream = raw(&to).await;
        sleep(3 * second).await;
        let name = "localhost".try_into().expect("a name");
        let connector = tokio_rustls::TlsConnector::from(config);
        let mut stream = connector.connect(name, stream).await.expect("TLS");
        let _ = stream.read(&mut [0]).await;
    };
    tokio::select! {
        () = slow => {}
        told = next(&mut server) => panic!("nothing to accept: {told:?}"),
    }
    assert!(start.elapsed() >= patience && start.elapsed() < patience + second);
}

#[tokio::test]
async fn a_client_hello_without_end_is_cut_off() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    let mut endless = raw(&address(&server)).await;
    let flood = async {
        // A message of 64 KiB less a byte, in records of 4 KiB, of which no bound of TLS would keep it.
        let mut first = b"\x16\x03\x01\x10\0\x01\0\xff\xff".to_vec();
        first.resize(5 + 4096, 0);
        endless.write_all(&first).await.expect("sent");
        let mut sent = first.len();
        let mut record = b"\x16\x03\x01\x10\0".to_vec();
        record.resize(5 + 4096, 0);
        while sent < 60_000 && endless.write_all(&record).await.is_ok() {
            sent += record.len();
        }
        let mut rest = Vec::new();
        let _ = endless.read_to_end(&mut rest).await;
    };
    let ((), told) = soon(async { tokio::join!(flood, next(&mut server)) }).await;
    assert_eq!(told.expect_err("too long").kind(), ErrorKind::Limit);
    connect(&mut server, &client).await;
}

#[tokio::test]
async fn an_established_connection_is_not_metered() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    let (mut dialed, mut accepted) = connect(&mut server, &client).await;
    let sent = vec![7; 1 << 20];
    let send = async {
        dialed.write_all(&sent).await.expect("sent");
        dialed.flush().await.expect("sent");
    };
    let mut read = vec![0; sent.len()];
    let (_, all) = tokio::join!(send, accepted.read_exact(&mut read));
    all.expect("all of it");
    assert!(read == sent);
}
