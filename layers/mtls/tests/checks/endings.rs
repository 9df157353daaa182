//! How either direction ends.

use std::io::ErrorKind::{BrokenPipe, InvalidData, UnexpectedEof};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::server::TlsStream;
use tower_multiserver_core::{Connection, ErrorKind, HalfClose, HeldClose, Transform};
use tower_multiserver_mtls::{MtlsLayer, Reason};

use crate::{raw, support::*};

/// A connection that we dialed over a pipe with facts that `with` adds, and the server's TLS.
async fn dialed(
    with: impl FnOnce(Connection<DuplexStream>) -> Connection<DuplexStream>,
) -> (Stream, TlsStream<DuplexStream>) {
    let bob = identity();
    let (near, far) = tokio::io::duplex(10_000);
    let (mut config, _) = raw::server(raw::honest(&bob));
    config.send_tls13_tickets = 0;
    let (client, server) = tokio::join!(
        MtlsLayer::new(identity()).upgrade(with(pipe(near)), to(&bob)),
        raw::accept(config, far),
    );
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn a_direction_ends_with_close_notify_and_the_other_goes_on() {
    for client_first in [true, false] {
        let (client, server) = connected().await;
        let (mut near, mut far) = match client_first {
            true => (client, server),
            false => (server, client),
        };
        near.write_all(b"first").await.unwrap();
        near.shutdown().await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"first");
        assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);

        far.write_all(b"second").await.unwrap();
        far.shutdown().await.unwrap();
        heard.clear();
        near.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"second");
    }
}

#[tokio::test]
async fn a_cut_is_an_error_and_no_end() {
    let (mut client, mut server) = dialed(|pipe| pipe).await;
    server.write_all(b"hello").await.unwrap();
    server.flush().await.unwrap();
    drop(server);
    client.read_exact(&mut [0; 5]).await.unwrap();
    for _ in 0..2 {
        let error = client.read(&mut [0; 9]).await.unwrap_err();
        let at = client.info().address().clone();
        assert_eq!(failure(&error), (UnexpectedEof, Reason::Truncated, at));
        assert_eq!(
            tower_multiserver_core::Error::from(error).kind(),
            ErrorKind::Io
        );
    }

    // The other side alike.
    let (client, mut server) = connected().await;
    drop(client);
    let error = server.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(failure(&error).1, Reason::Truncated);
}

#[tokio::test]
async fn a_cut_in_a_record_is_a_cut_too_and_a_changed_byte_a_violation() {
    for is_change in [false, true] {
        let (mut client, mut server) = dialed(|pipe| pipe).await;
        server.write_all(b"x").await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
        let (mut io, mut tls) = server.into_inner();
        let mut record = Vec::new();
        std::io::Write::write_all(&mut tls.writer(), b"hello").unwrap();
        tls.write_tls(&mut record).unwrap();
        match is_change {
            true => *record.last_mut().unwrap() ^= 1,
            false => record.truncate(9),
        }
        io.write_all(&record).await.unwrap();
        io.shutdown().await.unwrap();
        let expected = match is_change {
            true => (InvalidData, Reason::Violation),
            false => (UnexpectedEof, Reason::Truncated),
        };
        for _ in 0..2 {
            let error = client.read(&mut [0; 9]).await.unwrap_err();
            let (kind, reason, _) = failure(&error);
            assert_eq!((kind, reason), expected);
        }
    }
}

#[tokio::test]
async fn nothing_is_heard_behind_a_close_notify() {
    let (mut client, mut server) = dialed(|pipe| pipe).await;
    server.write_all(b"hello").await.unwrap();
    let (io, tls) = server.get_mut();
    tls.send_close_notify();
    let mut said = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut said).unwrap();
    }
    said.extend([7; 5000]);
    io.write_all(&said).await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
    for _ in 0..3 {
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_empty_read_is_no_end() {
    let (mut client, mut server) = connected().await;
    assert_eq!(in_time(client.read(&mut [])).await.unwrap(), 0);
    server.write_all(b"hello").await.unwrap();
    server.flush().await.unwrap();
    client.read_exact(&mut [0; 5]).await.unwrap();
}

#[tokio::test]
async fn a_write_after_the_end_is_refused() {
    let (mut client, _server) = connected().await;
    client.shutdown().await.unwrap();
    client.shutdown().await.unwrap();
    let error = client.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), BrokenPipe);
    let more = [std::io::IoSlice::new(b"more")];
    let error = client.write_vectored(&more).await.unwrap_err();
    assert_eq!(error.kind(), BrokenPipe);
}

/// Whether the transport has ended, and nothing else came.
fn has_ended(io: &mut DuplexStream) -> bool {
    let mut byte = [0];
    let mut read = tokio_test::task::spawn(io.read(&mut byte));
    match read.poll() {
        std::task::Poll::Ready(read) => {
            assert_eq!(read.unwrap(), 0);
            true
        }
        std::task::Poll::Pending => false,
    }
}

#[tokio::test]
async fn a_transport_is_shut_down_with_our_direction_only_where_it_takes_that() {
    for (takes, (mut client, mut server)) in [
        (false, dialed(|pipe| pipe).await),
        (true, dialed(|pipe| pipe.with(HalfClose)).await),
        (true, dialed(|pipe| pipe.with(HeldClose)).await),
    ] {
        client.shutdown().await.unwrap();
        // Our `close_notify`.
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(has_ended(server.get_mut().0), takes);

        let (io, tls) = server.get_mut();
        tls.send_close_notify();
        let mut record = Vec::new();
        tls.write_tls(&mut record).unwrap();
        io.write_all(&record).await.unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
        assert!(has_ended(server.get_mut().0));
    }
}

#[tokio::test]
async fn a_transport_without_half_close_is_shut_down_when_we_end_after_the_peer() {
    let (mut client, mut server) = dialed(|pipe| pipe).await;
    let (io, tls) = server.get_mut();
    tls.send_close_notify();
    let mut record = Vec::new();
    tls.write_tls(&mut record).unwrap();
    io.write_all(&record).await.unwrap();
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    assert!(!has_ended(server.get_mut().0));
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
    assert!(has_ended(server.get_mut().0));
}
