//! How a connection ends: the rows of `wss` in the documentation of `tower_multiserver::transport`.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower_multiserver::{StackExt as _, wss::Wss};

use crate::lab::{
    Authority, HANDSHAKE, MOMENT, accept_tls, address, answer, ask, connect, foreign, next, socket,
    soon, tls,
};

/// An empty close frame of a server, and one of a client.
const CLOSE: &[u8] = b"\x88\x00";
const MASKED_CLOSE: &[u8] = b"\x88\x80\0\0\0\0";

#[tokio::test]
async fn a_shutdown_is_held_until_the_drop_and_then_both_ends_are_clean() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    let (mut dialed, mut accepted) = connect(&mut server, &client).await;
    assert!(!dialed.info().has_half_close() && !accepted.info().has_half_close());
    dialed.write_all(b"question").await.expect("sent");
    dialed.shutdown().await.expect("ended");
    let mut question = [0; 8];
    accepted.read_exact(&mut question).await.expect("read");
    let held = timeout(MOMENT, accepted.read(&mut [0])).await;
    held.expect_err("it ended early");
    // Nothing is lost meanwhile.
    accepted.write_all(b"answer").await.expect("sent");
    let mut answer = [0; 6];
    dialed.read_exact(&mut answer).await.expect("read");
    let late = async {
        dialed.write_all(b"late").await?;
        dialed.flush().await
    };
    let error = late.await.expect_err("behind our end");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    drop(dialed);
    for _ in 0..3 {
        assert_eq!(soon(accepted.read(&mut [0])).await.expect("an end"), 0);
    }
}

#[tokio::test]
async fn a_drop_without_a_shutdown_is_a_cut_and_what_came_before_it_arrives() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    for by_the_client in [true, false] {
        let (dialed, accepted) = connect(&mut server, &client).await;
        let (mut goes, mut stays) = match by_the_client {
            true => (dialed.boxed(), accepted.boxed()),
            false => (accepted.boxed(), dialed.boxed()),
        };
        goes.write_all(b"cut off").await.expect("sent");
        goes.flush().await.expect("sent");
        drop(goes);
        let mut all = Vec::new();
        let end = soon(stays.read_to_end(&mut all)).await;
        assert_eq!(all, b"cut off");
        let error = end.expect_err("a cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

/// A socket that is closed with unread data in it sends a reset, which must not eat the end that was written before.
#[tokio::test]
async fn a_drop_after_a_shutdown_loses_nothing_though_the_peer_still_sends() {
    let authority = Authority::new();
    let (mut server, client) = authority.server().await;
    for by_the_client in [true, false] {
        let (dialed, accepted) = connect(&mut server, &client).await;
        let (mut goes, mut stays) = match by_the_client {
            true => (dialed.boxed(), accepted.boxed()),
            false => (accepted.boxed(), dialed.boxed()),
        };
        stays.write_all(&[0; 10_000]).await.expect("sent");
        stays.flush().await.expect("sent");
        let send = async {
            goes.write_all(&[1; 50_000]).await.expect("sent");
            goes.shutdown().await.expect("ended");
            drop(goes);
        };
        let mut heard = Vec::new();
        let (read, ()) = tokio::join!(soon(stays.read_to_end(&mut heard)), send);
        read.expect("an end");
        assert_eq!(heard.len(), 50_000);
    }
}

#[tokio::test]
async fn our_server_ends_websocket_and_then_tls() {
    let authority = Authority::new();
    let (mut server, _) = authority.server().await;
    let to = address(&server);
    let open = async {
        let config = foreign(&authority, rustls::ALL_VERSIONS);
        let mut stream = tls(config, &to).await.expect("TLS");
        assert!(
            ask(&mut stream, HANDSHAKE)
                .await
                .starts_with("HTTP/1.1 101")
        );
        stream
    };
    let (mut stream, accepted) = tokio::join!(open, next(&mut server));
    let mut accepted = accepted.expect("accepted");
    stream.write_all(MASKED_CLOSE).await.expect("sent");
    assert_eq!(soon(accepted.read(&mut [0])).await.expect("an end"), 0);
    accepted.shutdown().await.expect("ended");
    // A transport that ends without a `close_notify` would be an error.
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest))
        .await
        .expect("an end of TLS");
    assert_eq!(rest, CLOSE);
}

#[tokio::test]
async fn our_client_ends_tls_when_the_server_has() {
    let authority = Authority::new();
    let client = Wss::new().trust(authority.trust());
    let (listener, to) = socket().await;
    let serve = async {
        let config = authority.here().foreign(rustls::ALL_VERSIONS);
        let mut stream = accept_tls(config, &listener).await.expect("TLS");
        answer(&mut stream).await;
        let mut close = [0; 8];
        stream.read_exact(&mut close).await.expect("a close frame");
        assert_eq!(close[0], 0x88);
        stream.write_all(CLOSE).await.expect("sent");
        stream.shutdown().await.expect("ended");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("an end of TLS");
        assert_eq!(rest, b"");
    };
    let dial = async {
        let mut dialed = client.dial(to).await.expect("dialed");
        dialed.shutdown().await.expect("ended");
    };
    soon(async { tokio::join!(dial, serve) }).await;
}

/// What our client reads from a server that sends `frames` and then goes without ending TLS.
async fn read_after(frames: &[u8], end_tls: bool) -> (Vec<u8>, io::Result<()>) {
    let authority = Authority::new();
    let client = Wss::new().trust(authority.trust());
    let (listener, to) = socket().await;
    let serve = async {
        let config = authority.here().foreign(rustls::ALL_VERSIONS);
        let mut stream = accept_tls(config, &listener).await.expect("TLS");
        answer(&mut stream).await;
        stream.write_all(frames).await.expect("sent");
        stream.flush().await.expect("sent");
        match end_tls {
            true => stream.shutdown().await.expect("ended"),
            false => stream.get_mut().0.shutdown().await.expect("ended"),
        }
        stream
    };
    let read = async {
        let mut dialed = client.dial(to).await.expect("dialed");
        let mut read = Vec::new();
        let end = dialed.read_to_end(&mut read).await;
        (read, end.map(drop))
    };
    let (read, _stream) = soon(async { tokio::join!(read, serve) }).await;
    read
}

#[tokio::test]
async fn a_transport_that_ends_before_the_close_frame_is_truncation_and_after_it_is_not() {
    for (frames, end_tls, clean) in [
        (&b"\x82\x05hel"[..], false, false),
        (b"\x82\x03hel", false, false),
        (b"\x82\x03hel", true, false),
        (b"\x82\x03hel\x88\x00", false, true),
        (b"\x82\x03hel\x88\x00", true, true),
    ] {
        let (read, end) = read_after(frames, end_tls).await;
        assert_eq!(read, b"hel");
        let expected = (!clean).then_some(io::ErrorKind::UnexpectedEof);
        let found = end.err().map(|error| error.kind());
        assert_eq!(found, expected, "{frames:?} {end_tls}");
    }
}
