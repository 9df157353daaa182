//! Streams of messages.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Sink;

use super::{
    Limits, OpenError, ResponsePolicy, SendError, StreamId,
    frame::RequestId,
    mux::{Inbound, Outbound},
    peer::Peer,
    registry::Registry,
};
use crate::PeerId;

/// A stream of messages between this host and a peer.
///
/// What arrives is unaltered, in order, and arrives once. Messages may be lost, see [the guarantees](super#guarantees). The
/// stream outlives every connection: there is nothing to do when one ends. Dropping it closes it, and drops what still waits
/// to be sent; [`flush`](futures_util::SinkExt::flush) it before, where that matters.
///
/// It is a [`futures_core::Stream`] of what arrives, which ends when the host is closed, and a [`Sink`] that waits for room
/// where [`send`](Self::send) would drop the oldest message:
///
/// ```
/// use futures_util::SinkExt as _;
/// # use std::time::Duration;
/// # use tower_multiserver::{Identity, ragep2p::{Host, KnownPeers, Limits}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (alice, bob) = (Identity::generate()?, Identity::generate()?);
/// # let soon = Duration::from_millis(20);
/// # let bob = Host::builder(bob).listen("net:127.0.0.1:0")?.dial_interval(soon).start().await?;
/// # let at = bob.addresses()[0].1.transport().to_string();
/// # let known = KnownPeers::new().peer(bob.id(), &*at)?;
/// # let alice = Host::builder(alice).discover(known).dial_interval(soon).start().await?;
/// let few = Limits { outgoing: 4, ..Limits::default() };
/// let mut numbers = alice.stream(bob.id(), "numbers").limits(few).open()?;
/// let mut heard = bob.stream(alice.id(), "numbers").open()?;
/// # let counting = tokio::spawn(async move {
/// #     for number in 0..30_u8 {
/// #         assert_eq!(heard.recv().await.as_deref(), Some(&[number][..]));
/// #     }
/// # });
/// // There is room for 4.
/// for number in 0..30_u8 {
///     numbers.feed(vec![number].into()).await?;
/// }
/// numbers.flush().await?;
/// # counting.await?;
/// # Ok(())
/// # }
/// ```
///
/// Behind [`split`](futures_util::StreamExt::split) the sink itself keeps one message until it is flushed.
pub struct Stream(Open);

/// A [`Stream`] of which messages may be requests and responses. Hosts of [`Version::V2`](super::Version::V2) have them.
///
/// A response is let in where a request has asked for it, see [`ResponsePolicy`]. It does not say to which one it belongs, and
/// like every message it may be lost: who asks waits for as long as it likes, and asks again.
///
/// ```
/// # use std::time::Duration;
/// use tokio::time::Instant;
/// use tower_multiserver::ragep2p::{Message, ResponsePolicy, Version};
/// # use tower_multiserver::{Identity, ragep2p::{Host, KnownPeers}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (alice, bob) = (Identity::generate()?, Identity::generate()?);
/// # let soon = Duration::from_millis(20);
/// # let bob = Host::builder(bob).version(Version::V2).dial_interval(soon);
/// # let bob = bob.listen("net:127.0.0.1:0")?.start().await?;
/// # let at = bob.addresses()[0].1.transport().to_string();
/// # let known = KnownPeers::new().peer(bob.id(), &*at)?;
/// # let alice = Host::builder(alice).version(Version::V2).discover(known).dial_interval(soon);
/// # let alice = alice.start().await?;
/// let mut asks = alice.stream(bob.id(), "blocks").open_with_requests()?;
/// let mut answers = bob.stream(alice.id(), "blocks").open_with_requests()?;
///
/// // The answer may be longer than other messages.
/// let policy = ResponsePolicy::once(1 << 20, Instant::now() + Duration::from_secs(10));
/// let _ = asks.request("block 7", policy)?;
///
/// if let Some(Message::Request(request)) = answers.recv().await {
///     assert_eq!(request.payload, "block 7");
///     let _ = answers.respond(&request, vec![7; 500_000])?;
/// }
/// match asks.recv().await {
///     Some(Message::Response(block)) => assert_eq!(block.len(), 500_000),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
pub struct RequestStream(Open);

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a message may have been dropped"]
pub enum Sent {
    /// It waits to be sent.
    Queued,
    /// It waits to be sent in the place of the oldest one, which is dropped.
    Evicted,
}

/// What a [`RequestStream`] receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A message that wants no response.
    Plain(Bytes),
    /// A request, which [`RequestStream::respond`] answers.
    Request(Request),
    /// The response to a request. Which one it answers is for its content to say.
    Response(Bytes),
}

/// A request of the peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    id: RequestId,
    /// What it asks.
    pub payload: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = &self.payload;
        f.debug_struct("Request")
            .field("payload", payload)
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(open: Open) -> Self {
        Self(open)
    }

    /// The peer at the other end.
    pub fn peer(&self) -> PeerId {
        self.0.peer.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Lets a message wait to be sent. It never waits itself: where there is no room, the oldest message is dropped.
    ///
    /// # Errors
    ///
    /// When it is longer than [`Limits::max_message`], or the host is closed.
    pub fn send(&self, message: impl Into<Bytes>) -> Result<Sent, SendError> {
        self.0.send(Outbound::Message(message.into()))
    }

    /// The next message. `None` when the host is closed. Cancel safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv). The last task that asked is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_recv_shared(cx)
    }

    /// As [`poll_recv`](Self::poll_recv), for who takes care that only one task asks.
    pub(super) fn poll_recv_shared(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match ready!(self.0.poll_receive(cx)) {
                None => return Poll::Ready(None),
                Some(Inbound::Message(payload)) => return Poll::Ready(Some(payload)),
                // Without a way to answer.
                Some(Inbound::Request(..) | Inbound::Response(_)) => self.0.drop_unasked(),
            }
        }
    }

    /// Changes the limits from now on. What has been saved up of the rates stays, up to the new capacity; where more waits
    /// than may, the oldest go.
    ///
    /// # Errors
    ///
    /// When they cannot be; then the old ones stay.
    pub fn update_limits(&self, limits: Limits) -> Result<(), OpenError> {
        self.0.update_limits(limits)
    }
}

impl RequestStream {
    pub(super) fn new(open: Open) -> Self {
        Self(open)
    }

    /// The peer at the other end.
    pub fn peer(&self) -> PeerId {
        self.0.peer.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// As [`Stream::send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send(&self, message: impl Into<Bytes>) -> Result<Sent, SendError> {
        self.0.send(Outbound::Message(message.into()))
    }

    /// As [`send`](Self::send), of a request to which a response is let in as `policy` says.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn request(
        &self,
        request: impl Into<Bytes>,
        policy: ResponsePolicy,
    ) -> Result<Sent, SendError> {
        self.0.send(Outbound::Request(request.into(), policy))
    }

    /// As [`send`](Self::send), of the response to a request. It may be longer than other messages: the peer has said how
    /// long.
    ///
    /// # Errors
    ///
    /// When it is longer than [`MAX_MESSAGE_LEN`](super::MAX_MESSAGE_LEN), or the host is closed.
    pub fn respond(
        &self,
        request: &Request,
        response: impl Into<Bytes>,
    ) -> Result<Sent, SendError> {
        self.0.send(Outbound::Response(request.id, response.into()))
    }

    /// The next message. `None` when the host is closed. Cancel safe.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv). The last task that asked is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let message = ready!(self.0.poll_receive(cx));
        Poll::Ready(message.map(|message| match message {
            Inbound::Message(payload) => Message::Plain(payload),
            Inbound::Request(id, payload) => Message::Request(Request { id, payload }),
            Inbound::Response(payload) => Message::Response(payload),
        }))
    }

    /// As [`Stream::update_limits`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update_limits(&self, limits: Limits) -> Result<(), OpenError> {
        self.0.update_limits(limits)
    }
}

/// An open stream, which closes when it is dropped.
pub(super) struct Open {
    pub(super) registry: Arc<Registry>,
    pub(super) peer: Arc<Peer>,
    pub(super) id: StreamId,
    pub(super) name: Arc<str>,
}

impl Open {
    fn send(&self, message: Outbound) -> Result<Sent, SendError> {
        let sent = self.peer.mux().send(&self.id, message)?;
        self.peer.work.notify_one();
        Ok(sent)
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        self.peer.mux().poll_receive(&self.id, cx)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.peer.mux().poll_room(&self.id, cx)
    }

    fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.peer.mux().poll_flushed(&self.id, cx)
    }

    fn drop_unasked(&self) {
        if let Some(count) = self.peer.skipped.tick() {
            let (peer, stream) = (&self.peer.id, &*self.name);
            tracing::debug!(%peer, stream, count, "request or response dropped: the stream has none");
        }
    }

    fn update_limits(&self, limits: Limits) -> Result<(), OpenError> {
        self.peer.update(self.id, limits.try_into()?);
        Ok(())
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("peer", &self.peer.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.registry.close(&self.peer, &self.id);
    }
}

impl futures_core::Stream for Stream {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_recv(cx)
    }
}

impl futures_core::Stream for RequestStream {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_recv(cx)
    }
}

/// Waits for room, so that nothing of what it takes is dropped here. It is flushed when all has been handed to a connection;
/// closing flushes, and leaves it to the drop to close the stream.
impl Sink<Bytes> for Stream {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.send(message).map(|_| ())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_flushed(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Stream", f)
    }
}

impl fmt::Debug for RequestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("RequestStream", f)
    }
}
