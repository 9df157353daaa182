//! What comes after the handshake, from a peer that does not keep to it.

use std::{error::Error as _, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use tower_multiserver_core::{Connection, Error, ErrorKind, Identity, Role, Transform};
use tower_multiserver_noise::{
    NoiseIo, NoiseLayer,
    handshake::{ACCEPT, Client, HELLO},
    transport::{FrameError, OVERHEAD, Sealer},
};

use crate::support::*;

/// Long enough that only a hang reaches it.
const HANG: Duration = Duration::from_secs(30);

/// A connection that we dialed, the server's end of the transport, and what seals its messages.
async fn dialed(bob: &Identity) -> (Connection<NoiseIo<DuplexStream>>, DuplexStream, Sealer) {
    let (near, mut far) = tokio::io::duplex(200_000);
    let server = async {
        let (accept, outcome) = serve(&mut far, bob).await;
        far.write_all(&accept).await.unwrap();
        Sealer::new(outcome.sending)
    };
    let client = NoiseLayer::new(identity()).upgrade(pipe(near), to(bob));
    let (client, sealer) = tokio::join!(client, server);
    (client.unwrap(), far, sealer)
}

fn frame(sealer: &mut Sealer, text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; text.len() + OVERHEAD];
    sealer.seal(text, &mut frame);
    frame
}

/// Reads `hello` and then an error, the same again and again: its kinds, and its cause.
async fn failure(client: &mut Connection<NoiseIo<DuplexStream>>) -> (io::ErrorKind, FrameError) {
    let mut text = Vec::new();
    let read = timeout(HANG, client.read_to_end(&mut text)).await;
    let error = read.unwrap().unwrap_err();
    assert_eq!(text, b"hello");
    let again = client.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(again.kind(), error.kind());

    let kind = error.kind();
    let placed: &Error = error.get_ref().unwrap().downcast_ref().unwrap();
    let cause: FrameError = *placed.source().unwrap().downcast_ref().unwrap();
    let address = client.info().address();
    assert_eq!(placed.address(), Some(address));
    assert_eq!(
        (placed.kind(), error_kind(error)),
        (cause.kind(), cause.kind())
    );
    (kind, cause)
}

/// What a caller sees who has only our own error.
fn error_kind(error: io::Error) -> ErrorKind {
    Error::from(error).kind()
}

#[tokio::test]
async fn a_message_of_a_length_that_none_has_is_a_limit_with_its_place() {
    for (length, expected) in [
        (0_u16, FrameError::TooShort),
        (15, FrameError::TooShort),
        (65_534, FrameError::TooLong),
        (65_535, FrameError::TooLong),
    ] {
        let bob = identity();
        let (mut client, mut far, mut sealer) = dialed(&bob).await;
        far.write_all(&frame(&mut sealer, b"hello")).await.unwrap();
        far.write_all(&length.to_be_bytes()).await.unwrap();
        // The transport stays open: it is not waited for what was announced.
        let failed = failure(&mut client).await;
        assert_eq!(failed, (io::ErrorKind::InvalidData, expected));
        assert_eq!(expected.kind(), ErrorKind::Limit);
    }
}

#[tokio::test]
async fn a_forged_message_and_a_cut_are_errors_with_their_place() {
    let bob = identity();
    let (mut client, mut far, mut sealer) = dialed(&bob).await;
    far.write_all(&frame(&mut sealer, b"hello")).await.unwrap();
    let mut forged = frame(&mut sealer, b"world");
    forged[OVERHEAD] ^= 1;
    far.write_all(&forged).await.unwrap();
    let failed = failure(&mut client).await;
    assert_eq!(failed, (io::ErrorKind::InvalidData, FrameError::Forged));

    let (mut client, mut far, mut sealer) = dialed(&bob).await;
    far.write_all(&frame(&mut sealer, b"hello")).await.unwrap();
    drop(far);
    let failed = failure(&mut client).await;
    assert_eq!(
        failed,
        (io::ErrorKind::UnexpectedEof, FrameError::Truncated)
    );
}

#[tokio::test]
async fn bytes_behind_a_consent_belong_to_the_stream_however_they_are_cut() {
    let bob = identity();
    for cut in 0..ACCEPT + (OVERHEAD + 5) + OVERHEAD {
        let (near, mut far) = tokio::io::duplex(1000);
        let server = async {
            let (accept, outcome) = serve(&mut far, &bob).await;
            let mut sealer = Sealer::new(outcome.sending);
            let mut said = accept.to_vec();
            said.extend(frame(&mut sealer, b"hello"));
            said.extend(sealer.goodbye());
            let (first, second) = said.split_at(cut);
            far.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            far.write_all(second).await.unwrap();
        };
        let client = NoiseLayer::new(identity()).upgrade(pipe(near), to(&bob));
        let (client, ()) = tokio::join!(client, server);
        let mut heard = Vec::new();
        client.unwrap().read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"hello", "cut at {cut}");
    }
}

#[tokio::test]
async fn a_server_reads_no_byte_behind_a_proof() {
    let bob = identity();
    let (mut near, far) = tokio::io::duplex(1000);
    let app_key = tower_multiserver_core::AppKey::SSB;
    let (client, hello) = Client::new(&app_key, &identity(), bob.public_key()).unwrap();
    let talk = async {
        near.write_all(&hello).await.unwrap();
        let mut hello = [0; HELLO];
        near.read_exact(&mut hello).await.unwrap();
        let (_, auth) = client.receive_hello(&hello).unwrap();
        // A client may speak before it is let in. That this is no frame shows when it is read.
        near.write_all(&auth).await.unwrap();
        near.write_all(&[0; 2]).await.unwrap();
        near
    };
    let server = NoiseLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept);
    let (_near, server) = tokio::join!(talk, server);
    let error = server.unwrap().read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error_kind(error), ErrorKind::Limit);
}

/// Longer than a frame and than a buffer, both ways at once, through pipes of any width.
#[tokio::test]
async fn long_texts_go_both_ways_at_once() {
    let text: Vec<u8> = (0..300_000_usize)
        .map(|i| (7 * i + i / 251) as u8)
        .collect();
    for width in [100, 70_000, 1 << 20] {
        let bob = identity();
        let (near, far) = tokio::io::duplex(width);
        let (client, server) = tokio::join!(
            NoiseLayer::new(identity()).upgrade(pipe(near), to(&bob)),
            NoiseLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
        );
        let talk = async |connection: Connection<NoiseIo<DuplexStream>>| {
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

#[tokio::test]
async fn a_peer_that_reads_nothing_stops_us_after_a_frame() {
    let (mut client, _far, _) = dialed(&identity()).await;
    let mut taken = 0;
    let mut write = tokio_test::task::spawn(async {
        loop {
            taken += client.write(&[7; 100_000]).await.unwrap();
        }
    });
    tokio_test::assert_pending!(write.poll());
    drop(write);
    // What the pipe has room for, and what we hold.
    assert!(taken <= 200_000 + 65_517, "{taken}");
}

#[tokio::test]
async fn a_connection_that_waits_holds_no_buffer_and_never_more_than_two() {
    let bob = identity();
    let (mut client, mut far, mut sealer) = dialed(&bob).await;
    let full = frame(&mut sealer, &vec![7; 65_517]);
    assert_eq!(full.len(), 65_535);
    far.write_all(&full[..60_000]).await.unwrap();
    let mut buf = [0; 100];
    let mut read = tokio_test::task::spawn(client.read(&mut buf));
    tokio_test::assert_pending!(read.poll());
    drop(read);
    assert!(client.get_ref().held().0 <= 66_114);
    far.write_all(&full[60_000..]).await.unwrap();
    let mut text = vec![0; 65_517];
    client.read_exact(&mut text[..100]).await.unwrap();
    assert!(client.get_ref().held().0 <= 2 * 66_114);
    client.read_exact(&mut text[100..]).await.unwrap();
    assert_eq!(text, vec![7; 65_517]);
    assert_eq!(client.get_ref().held(), (0, 0));
}
