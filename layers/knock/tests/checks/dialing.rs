//! What a client says, and how.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_test::io::Builder;
use tower_multiserver_core::{
    ClaimedKey, ErrorKind, HalfClose, Identity, PublicKey, RemoteKey, Role, Seed, Transform, Turns,
    turn,
};
use tower_multiserver_knock::{KnockError, KnockLayer};

use crate::support::*;

/// Counts what is done to it; each write takes so many bytes at most.
#[derive(Debug, Default)]
struct Counting {
    most: usize,
    writes: Vec<usize>,
    unflushed: usize,
}

impl AsyncRead for Counting {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("a knock has no reply")))
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = buf.len().min(self.most);
        self.writes.push(taken);
        self.unflushed += taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unflushed = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("nobody asked for the end")))
    }
}

async fn dial(most: usize) -> Counting {
    let io = Counting {
        most,
        ..Counting::default()
    };
    let client = KnockLayer::new(identity());
    let dialed = client.upgrade(pipe(io), to(&identity())).await;
    dialed.unwrap().into_parts().0
}

#[tokio::test]
async fn a_knock_is_one_write_and_a_flush() {
    let io = dial(usize::MAX).await;
    assert_eq!((io.writes, io.unflushed), (vec![97], 0));
}

#[tokio::test]
async fn a_write_that_is_cut_short_is_continued() {
    let io = dial(40).await;
    assert_eq!((io.writes, io.unflushed), (vec![40, 40, 17], 0));
}

#[tokio::test]
async fn the_bytes_are_those_of_the_knock_and_nothing_is_read() {
    let (alice, bob) = (identity(), identity());
    let io = Builder::new().write(&knock(&alice, &bob)).build();
    let dialed = KnockLayer::new(alice).upgrade(pipe(io), to(&bob)).await;
    let dialed = dialed.unwrap();
    assert_eq!(
        dialed.info().address().to_string(),
        format!("pipe~knock:{}", id(&bob))
    );
    assert_eq!(dialed.info().get::<RemoteKey>(), None);
    assert_eq!(dialed.info().get::<ClaimedKey>(), None);
}

#[tokio::test]
async fn both_sides_have_the_stream_as_it_was() {
    let (alice, bob) = (identity(), identity());
    let (near, far) = tokio::io::duplex(1);
    let (client, server) = tokio::join!(
        KnockLayer::new(alice).upgrade(pipe(near).with(HalfClose), to(&bob)),
        KnockLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
    );
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    // What the transport can do is still known, and nothing else.
    assert!(client.info().has_half_close() && !server.info().has_half_close());
    let (mut heard, mut answer) = (String::new(), String::new());
    let talk = async {
        client.write_all(b"hello").await?;
        client.shutdown().await?;
        client.read_to_string(&mut answer).await
    };
    let listen = async {
        server.read_to_string(&mut heard).await?;
        server.write_all(b"bye").await?;
        server.shutdown().await
    };
    tokio::try_join!(talk, listen).unwrap();
    assert_eq!((heard.as_str(), answer.as_str()), ("hello", "bye"));
}

#[tokio::test]
async fn nobody_knocks_at_his_own_door() {
    let alice = identity();
    let io = Builder::new().build();
    let refused = KnockLayer::new(alice.clone()).upgrade(pipe(io), to(&alice));
    let refused = refused.await;
    assert_eq!(cause(&refused), Some(KnockError::OurOwn));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Handshake);
}

#[tokio::test]
async fn a_server_that_is_gone_fails_the_dial() {
    let (near, far) = tokio::io::duplex(1000);
    drop(far);
    let dialed = KnockLayer::new(identity()).upgrade(pipe(near), to(&identity()));
    let dialed = dialed.await;
    assert_eq!(cause(&dialed), Some(KnockError::HungUp));
    assert_eq!(dialed.unwrap_err().kind(), ErrorKind::Handshake);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_has_no_turn_yet_does_not_say_who_we_are() {
    let turns = Turns::new(Duration::from_secs(60));
    let first = turns.of(async {
        turn().await;
        std::future::pending::<Result<(), _>>().await
    });
    let mut first = tokio_test::task::spawn(first);
    tokio_test::assert_pending!(first.poll());

    let bob = identity();
    let (near, mut far) = tokio::io::duplex(1000);
    let client = KnockLayer::new(identity());
    let second = turns.of(client.upgrade(pipe(near), to(&bob)));
    let mut second = tokio_test::task::spawn(second);
    tokio_test::assert_pending!(second.poll());
    let mut byte = [0];
    tokio_test::assert_pending!(tokio_test::task::spawn(far.read(&mut byte)).poll());

    drop(first);
    assert!(second.is_woken());
    tokio_test::assert_ready_ok!(second.poll());
    assert_eq!(far.read(&mut byte).await.unwrap(), 1);
}

#[test]
fn a_server_is_named_by_its_id_and_its_layer_shows_nothing_else() {
    let seed = Seed::from_bytes([171; 32]);
    let bob = Identity::from_seed(&seed);
    let layer = KnockLayer::new(bob.clone());
    assert_eq!(layer.section().to_string(), format!("knock:{}", id(&bob)));
    let shown = format!("{layer:?}");
    let key: PublicKey = bob.public_key();
    assert!(shown.contains(&key.to_string()), "{shown}");
    assert!(!shown.contains("171, 171") && !shown.contains(&*seed.to_base64()));
}
