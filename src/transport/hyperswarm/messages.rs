//! The messages of a connection.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::Sink;

use super::shared::Handle;

/// A connection of Hyperswarm with the borders of its messages, as npm's `@hyperswarm/secret-stream` has them: each write
/// there is one of these, and each of these one `data` event there. What speaks over them, such as protomux, needs no framing
/// of its own. It comes from [`HyperIo::into_messages`](super::HyperIo::into_messages).
///
/// A message has [`MAX_MESSAGE`](Self::MAX_MESSAGE) bytes at most. 256 KiB wait in each direction, or one message that is
/// longer; then the sender waits. Empty ones only keep a connection alive, and are not told. Reading, writing and closing are
/// cancel safe, and end as [`HyperIo`](super::HyperIo) does:
///
/// - The stream ends where the peer ended its direction.
/// - It fails with [`ConnectionReset`](io::ErrorKind::ConnectionReset) where the peer destroyed the connection, and with
///   [`TimedOut`](io::ErrorKind::TimedOut) where it fell silent.
/// - Closing ends our direction, and is done once the peer has acknowledged all that was sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::net::{Ipv4Addr, SocketAddrV4};
///
/// use futures_util::{SinkExt, StreamExt};
/// use tower_multiserver::{Identity, Shutdown, StackExt, hyperswarm::{HyperDht, HyperNode}};
///
/// let node = || -> Result<_, tower_multiserver::Error> {
///     Ok(HyperNode::builder(Identity::generate()?).bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))
/// };
/// let first = node()?.bootstrap([""; 0]).persistent(true).spawn().await?;
/// let dht = [first.local_addr().await?];
/// let (_shutdown, closing) = Shutdown::new();
/// let server = HyperDht::new(node()?.bootstrap(dht).spawn().await?);
/// let mut incoming = server.listen("hyperdht", closing).await?;
///
/// let client = HyperDht::new(node()?.bootstrap(dht).spawn().await?);
/// let dial = client.dial(server.node().section().to_string());
/// let (dialed, accepted) = tokio::join!(dial, incoming.next());
/// let (dialed, _) = dialed?.into_parts();
/// let (accepted, _) = accepted.expect("a peer")?.into_parts();
/// let (mut dialed, mut accepted) = (dialed.into_messages(), accepted.into_messages());
///
/// dialed.send("one".into()).await?;
/// dialed.send("two".into()).await?;
/// assert_eq!(accepted.next().await.expect("a message")?, "one");
/// assert_eq!(accepted.next().await.expect("another")?, "two");
/// # Ok(())
/// # }
/// ```
pub struct HyperMessages(Handle);

impl HyperMessages {
    /// How many bytes a message may have: what fits into a frame of the secret stream, 16 MiB less 18.
    pub const MAX_MESSAGE: usize = (1 << 24) - 1 - 17;

    pub(super) fn new(handle: Handle) -> Self {
        Self(handle)
    }
}

impl Stream for HyperMessages {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = self.0.poll_message(cx);
        message.map(|message| message.map(|message| message.map(Bytes::from)))
    }
}

impl Sink<Bytes> for HyperMessages {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> io::Result<()> {
        if message.len() > Self::MAX_MESSAGE {
            let reason = "a message that is too long for a frame";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        self.0.write_message(message.into())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

impl fmt::Debug for HyperMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperMessages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::io::AsyncReadExt as _;
    use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

    use super::*;
    use crate::transport::hyperswarm::{
        HyperIo,
        shared::{MAX_INCOMING, MAX_OUTGOING, Task},
    };

    fn written(task: Option<Task>) -> Vec<u8> {
        match task {
            Some(Task::Write(message)) => message,
            _ => panic!("nothing to write"),
        }
    }

    #[tokio::test]
    async fn borders_are_kept_in_both_directions() {
        let (io, shared) = HyperIo::new();
        let mut messages = io.into_messages();
        for text in [&b"one"[..], b"two"] {
            shared.deliver(text.to_vec()).await;
            assert_ready_ok!(task::spawn(messages.feed(Bytes::from_static(text))).poll());
        }
        shared.end_incoming(Ok(()));
        for text in ["one", "two"] {
            assert_eq!(messages.next().await.unwrap().unwrap(), text);
            assert_eq!(written(shared.task()), text.as_bytes());
        }
        assert!(messages.next().await.is_none());
        let mut close = task::spawn(messages.close());
        assert_pending!(close.poll());
        assert!(matches!(shared.task(), Some(Task::End)));
        shared.end_outgoing(Ok(()));
        assert_ready_ok!(close.poll());
    }

    #[tokio::test]
    async fn both_directions_are_bounded_and_a_long_message_goes_alone() {
        let (io, shared) = HyperIo::new();
        let mut messages = io.into_messages();
        let long = Bytes::from(vec![1; 4 * MAX_OUTGOING]);
        assert_ready_ok!(task::spawn(messages.feed(long.clone())).poll());
        assert_pending!(task::spawn(messages.feed(Bytes::from_static(b"x"))).poll());
        assert_eq!(written(shared.task()), long);
        assert_ready_ok!(task::spawn(messages.feed(Bytes::from_static(b"x"))).poll());

        assert_ready!(task::spawn(shared.deliver(vec![1; 4 * MAX_INCOMING])).poll());
        let mut delivering = task::spawn(shared.deliver(vec![2]));
        assert_pending!(delivering.poll());
        assert_eq!(
            messages.next().await.unwrap().unwrap().len(),
            4 * MAX_INCOMING
        );
        assert!(delivering.is_woken());
        assert_ready!(delivering.poll());
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_frame_is_refused_and_the_rest_goes_on() {
        let (io, shared) = HyperIo::new();
        let mut messages = io.into_messages();
        let long = vec![0; HyperMessages::MAX_MESSAGE + 1];
        let error = messages.feed(long.into()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        messages.feed(Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(written(shared.task()), b"x");
    }

    #[tokio::test]
    async fn how_the_peer_ends_is_told_behind_what_came_before() {
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut] {
            let (io, shared) = HyperIo::new();
            let mut messages = io.into_messages();
            shared.deliver(b"last".to_vec()).await;
            shared.fail((kind, "gone"));
            assert_eq!(messages.next().await.unwrap().unwrap(), "last");
            assert_eq!(messages.next().await.unwrap().unwrap_err().kind(), kind);
            let sent = messages.feed(Bytes::from_static(b"x")).await;
            assert_eq!(sent.unwrap_err().kind(), kind);
        }
    }

    #[tokio::test]
    async fn what_was_read_of_a_message_before_is_missing_in_it() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(b"hello".to_vec()).await;
        io.read_exact(&mut [0; 2]).await.unwrap();
        let mut messages = io.into_messages();
        assert_eq!(messages.next().await.unwrap().unwrap(), "llo");
        shared.deliver(vec![0; MAX_INCOMING]).await;
    }
}
