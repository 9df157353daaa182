//! What stands behind a request that asks for a WebSocket.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use ::http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::ws::Ws;

use crate::lab::{accept, address, beside, handshake, head, listen, raw, rest};

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A transport whose other pages count their visits.
fn counted() -> (Ws, Arc<AtomicUsize>) {
    let visits = Arc::new(AtomicUsize::new(0));
    let counter = visits.clone();
    let page = tower::service_fn(move |_| {
        counter.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(Response::new("secret".to_owned())) }
    });
    (Ws::new().fallback(page), visits)
}

/// A proxy that takes no notice of the answer passes on what follows: it must not be answered as a request.
#[tokio::test]
async fn behind_a_refused_web_socket_no_request_is_read() {
    let good = handshake("/", "");
    for refused in [
        good.replace("version: 13", "version: 777"),
        good.replace("sec-websocket-key", "x-key"),
        handshake("/", "origin: http://evil.example\r\n"),
        handshake("/", "host: evil.example\r\n"),
        handshake("/", &format!("content-length: {}\r\n", HIDDEN.len())),
        handshake("/", "transfer-encoding: chunked\r\n"),
        handshake("/", "content-length: 4\r\ntransfer-encoding: chunked\r\n"),
    ] {
        let (ws, visits) = counted();
        let mut server = listen(ws, "ws://127.0.0.1:0").await;
        let mut client = raw(&address(&server)).await;
        let asked = format!("{refused}{HIDDEN}{HIDDEN}");
        let _ = client.write_all(asked.as_bytes()).await;
        beside(&mut server, async {
            let (status, _) = head(&mut client).await;
            assert!((400..500).contains(&status), "{status} to {refused}");
            let rest = rest(&mut client).await;
            let rest = String::from_utf8_lossy(&rest);
            assert!(
                !rest.contains("HTTP/1.1") && !rest.contains("secret"),
                "{rest}"
            );
        })
        .await;
        assert_eq!(visits.load(SeqCst), 0, "{refused}");
    }
}

/// They belong to the WebSocket, where they are no frames.
#[tokio::test]
async fn behind_an_accepted_web_socket_a_request_is_no_request() {
    let (ws, visits) = counted();
    let mut server = listen(ws, "ws://127.0.0.1:0").await;
    let mut client = raw(&address(&server)).await;
    let asked = format!("{}{HIDDEN}", handshake("/", ""));
    client.write_all(asked.as_bytes()).await.expect("sent");
    let mut accepted = accept(&mut server).await;
    assert_eq!(head(&mut client).await.0, 101);
    accepted.read(&mut [0; 64]).await.expect_err("no frame");
    drop(accepted);
    let rest = rest(&mut client).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP"));
    assert_eq!(visits.load(SeqCst), 0);
}
