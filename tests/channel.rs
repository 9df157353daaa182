//! `channel:NAME`: pairs of streams within one program.

#![cfg(test)]
#![cfg(feature = "channel")]

use std::{error::Error as _, future::poll_fn, io, time::Duration};

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tower::ServiceExt as _;
use tower_multiserver::{
    Address, Bound, Connection, Error, ErrorKind, HalfClose, Incoming, Listen, Listener as _,
    Scope, Shutdown, StackExt as _,
    channel::{Channel, ChannelListener},
};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

async fn bind(channel: &Channel, text: &str) -> Result<Bound<ChannelListener>, Error> {
    channel.clone().oneshot(Listen(address(text))).await
}

async fn pair(channel: &Channel, text: &str) -> [Connection<DuplexStream>; 2] {
    let (_shutdown, mut incoming) = serve(channel, text).await;
    let (dialed, accepted) = tokio::join!(channel.dial(text), incoming.next());
    [dialed.unwrap(), accepted.unwrap().unwrap()]
}

async fn serve(
    channel: &Channel,
    text: &str,
) -> (Shutdown, Incoming<Channel, ChannelListener, DuplexStream>) {
    let (shutdown, closing) = Shutdown::new();
    (shutdown, channel.listen(text, closing).await.unwrap())
}

fn io_kind(error: &Error) -> io::ErrorKind {
    assert_eq!(error.kind(), ErrorKind::Io);
    let source = error.source().unwrap().downcast_ref::<io::Error>();
    source.unwrap().kind()
}

#[tokio::test]
async fn each_side_can_end_and_still_read() {
    let [mut ours, mut theirs] = pair(&Channel::new(), "channel:a").await;
    ours.write_all(b"question").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut text = String::new();
    theirs.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");

    theirs.write_all(b"answer").await.unwrap();
    drop(theirs);
    text.clear();
    ours.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn a_writer_waits_once_64_kib_are_unread() {
    let [mut ours, mut theirs] = pair(&Channel::new(), "channel:a").await;
    ours.write_all(&[1; 64 * 1024]).await.unwrap();
    let mut write = Box::pin(ours.write_all(&[2]));
    assert!(write.as_mut().now_or_never().is_none());
    theirs.read_u8().await.unwrap();
    write.await.unwrap();
}

#[tokio::test]
async fn both_sides_know_where_they_are() {
    let name = "channel:a:b c/é";
    for connection in pair(&Channel::new(), name).await {
        let info = connection.info();
        assert_eq!(info.address(), &address(name));
        assert_eq!(info.scope(), Scope::Device);
        assert_eq!(info.get(), Some(&HalfClose));
        assert!(connection.deadline().is_some());
    }
}

#[tokio::test]
async fn a_name_is_advertised_on_this_device() {
    let bound = bind(&Channel::new(), "channel:a").await.unwrap();
    assert_eq!(bound.addresses, [(Scope::Device, address("channel:a"))]);
}

#[tokio::test]
async fn a_name_that_nobody_listens_on_refuses() {
    let error = Channel::new().dial("channel:a").await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.address(), Some(&address("channel:a")));
}

#[tokio::test]
async fn a_name_has_one_listener_and_is_free_again_after_it() {
    let channel = Channel::new();
    let first = bind(&channel, "channel:a").await.unwrap();
    let error = bind(&channel, "channel:a").await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
    assert_eq!(error.address(), Some(&address("channel:a")));
    let _other = bind(&channel, "channel:b").await.unwrap();

    drop(first);
    let error = channel.dial("channel:a").await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::ConnectionRefused);
    pair(&channel, "channel:a").await;
}

#[tokio::test]
async fn a_name_is_free_once_its_server_is_told_to_close() {
    let channel = Channel::new();
    let (shutdown, mut incoming) = serve(&channel, "channel:a").await;
    shutdown.start();
    assert!(incoming.next().await.is_none());
    assert!(bind(&channel, "channel:a").await.is_ok());
}

#[tokio::test]
async fn clones_share_their_names_and_other_values_have_their_own() {
    let channel = Channel::new();
    let _bound = bind(&channel, "channel:a").await.unwrap();
    assert!(channel.clone().dial("channel:a").await.is_ok());
    assert!(Channel::new().dial("channel:a").await.is_err());
    assert!(Channel::global().dial("channel:a").await.is_err());

    let _global = bind(&Channel::global(), "channel:tests of names").await;
    assert!(
        Channel::global()
            .dial("channel:tests of names")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_has_no_name_is_not_understood() {
    let channel = Channel::new();
    for text in ["channel", "channel:", "Channel:a", "channel:a~noauth"] {
        let error = channel.dial(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        let error = bind(&channel, text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_waits_for_room_as_long_as_it_may() {
    let channel = Channel::new();
    let mut bound = bind(&channel, "channel:a").await.unwrap();
    let mut waiting = Vec::new();
    while let Some(dialed) = channel.dial("channel:a").now_or_never() {
        waiting.push(dialed.unwrap());
    }
    assert_eq!(waiting.len(), 128);

    let impatient = channel.clone().dial_timeout(Duration::from_secs(3));
    let error = impatient.dial("channel:a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);

    let accept = poll_fn(|cx| bound.listener.poll_accept(cx));
    let (dialed, accepted) = tokio::join!(channel.dial("channel:a"), accept);
    assert!(dialed.is_ok() && accepted.unwrap().is_ok());

    // Where the listener goes, so does what waits for it.
    let (dialed, ()) = tokio::join!(channel.dial("channel:a"), async { drop(bound) });
    assert_eq!(
        io_kind(&dialed.unwrap_err()),
        io::ErrorKind::ConnectionRefused
    );
    let mut nothing = Vec::new();
    let last = waiting.last_mut().unwrap();
    last.read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty());
}
