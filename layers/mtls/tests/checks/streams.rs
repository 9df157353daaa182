//! What becomes of the bytes, and of what a peer sends between them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tower_multiserver_core::{ErrorKind, Role, Transform};
use tower_multiserver_mtls::{MtlsLayer, Reason};

use crate::{raw, support::*};

/// Longer than a record and than a buffer, both ways at once, through pipes of any width.
#[tokio::test]
async fn long_texts_go_both_ways_at_once() {
    let text: Vec<u8> = (0..300_000_usize)
        .map(|i| (7 * i + i / 251) as u8)
        .collect();
    for width in [100, 70_000, 1 << 20] {
        let bob = identity();
        let (near, far) = tokio::io::duplex(width);
        let (client, server) = tokio::join!(
            MtlsLayer::new(identity()).upgrade(pipe(near), to(&bob)),
            MtlsLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
        );
        let talk = async |connection: Stream| {
            let (mut from, mut to) = tokio::io::split(connection);
            let mut heard = Vec::new();
            let say = async {
                to.write_all(&text).await?;
                to.shutdown().await
            };
            let (said, read) = tokio::join!(say, from.read_to_end(&mut heard));
            said.unwrap();
            read.unwrap();
            assert!(heard == text);
        };
        tokio::join!(talk(client.unwrap()), talk(server.unwrap()));
    }
}

/// Through one that holds less than the client's only word in the middle of the server's, the two would wait for each
/// other.
#[tokio::test]
async fn a_handshake_goes_through_a_narrow_pipe() {
    let bob = identity();
    let (near, far) = tokio::io::duplex(6);
    let (client, server) = tokio::join!(
        MtlsLayer::new(identity()).upgrade(pipe(near), to(&bob)),
        MtlsLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
    );
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let mut buf = [0; 5];
    let (said, heard) = tokio::join!(
        async {
            client.write_all(b"hello").await?;
            client.flush().await
        },
        server.read_exact(&mut buf),
    );
    said.unwrap();
    heard.unwrap();
    assert_eq!(&buf, b"hello");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_stops_us_after_64_kib() {
    let (mut client, _server) = connected().await;
    let mut taken = 0;
    let mut write = tokio_test::task::spawn(async {
        loop {
            taken += client.write(&[7; 10_000]).await.unwrap();
        }
    });
    tokio_test::assert_pending!(write.poll());
    drop(write);
    // And what the pipe has room for.
    assert!(taken < 70_000, "{taken}");
}

/// Cuts the first record into records of one byte.
struct Crumbled {
    io: DuplexStream,
    is_begun: bool,
}

impl AsyncRead for Crumbled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Crumbled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_begun {
            return Pin::new(&mut self.io).poll_write(cx, buf);
        }
        self.is_begun = true;
        let (header, payload) = buf.split_at(5);
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        assert_eq!(payload.len(), length, "one record");
        let crumbs: Vec<u8> = payload
            .iter()
            .flat_map(|byte| [header[0], header[1], header[2], 0, 1, *byte])
            .collect();
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, &crumbs))?;
        assert_eq!(written, crumbs.len());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_hello_in_records_of_one_byte_is_as_good() {
    let (alice, bob) = (identity(), identity());
    let (near, far) = tokio::io::duplex(100_000);
    let near = Crumbled {
        io: near,
        is_begun: false,
    };
    let (client, server) = tokio::join!(
        raw::connect(raw::client(Some(raw::honest(&alice))), near),
        MtlsLayer::new(bob).upgrade(pipe(far), Role::Accept),
    );
    client.unwrap();
    assert_eq!(
        server.unwrap().info().remote_key(),
        Some(alice.public_key())
    );
}

#[tokio::test]
async fn pieces_of_a_write_go_out_together() {
    let (mut client, mut server) = connected().await;
    assert!(client.is_write_vectored());
    let pieces = [&b"one "[..], b"", b"two"].map(IoSlice::new);
    assert_eq!(client.write_vectored(&pieces).await.unwrap(), 7);
    client.flush().await.unwrap();
    let mut heard = [0; 7];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"one two");
}

#[tokio::test]
async fn new_keys_are_taken_and_answered_but_not_without_end() {
    let (alice, bob) = (identity(), identity());
    let (near, far) = tokio::io::duplex(10_000);
    let (client, server) = tokio::join!(
        raw::connect(raw::client(Some(raw::honest(&alice))), near),
        MtlsLayer::new(bob).upgrade(pipe(far), Role::Accept),
    );
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let mut heard = [0; 5];
    for _ in 0..40 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(b"hello").await.unwrap();
        client.flush().await.unwrap();
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(b"world").await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
    }
    for _ in 0..33 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
    }
    client.flush().await.unwrap();
    let error = server.read(&mut heard).await.unwrap_err();
    assert_eq!(failure(&error).1, Reason::Violation);
    assert_eq!(
        tower_multiserver_core::Error::from(error).kind(),
        ErrorKind::Handshake
    );
}
