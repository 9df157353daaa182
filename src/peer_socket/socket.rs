//! One peer in one swarm.

mod shared;

use std::{
    fmt,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::Sink;
use serde_json::Value;
use tokio::sync::watch;

use super::{CloseReason, Malformed, Message, ReadyState, SendError, SocketIo};
use crate::PublicKey;

pub(super) use shared::{Parent, Socket};

use self::shared::Outgoing;

/// The protocol of the channels.
pub(super) const PROTOCOL: &str = "peersocket/1";

/// Who a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The key that it proved to hold.
    pub id: PublicKey,
    /// Where it is, if the network tells.
    pub address: Option<SocketAddr>,
    /// Whether we dialed it.
    pub initiator: bool,
}

/// A peer in a swarm: a [`Stream`] and a [`Sink`] of messages.
///
/// Clones are of the same socket. Each message goes to one of those that read. While nobody reads, the peer has to wait,
/// with this socket and with those that it has in other swarms of ours: they share a connection.
///
/// ```
/// use futures_util::StreamExt;
/// use serde_json::json;
/// use tower_multiserver::peer_socket::{MemoryHub, Message, PeerSockets, SwarmId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = MemoryHub::new();
/// let alice = PeerSockets::builder(hub.clone()).build()?;
/// let bob = PeerSockets::builder(hub).build()?;
/// let swarm = alice.join(SwarmId::open("room")).await?;
/// let other = bob.join(SwarmId::open("room")).await?;
///
/// let (mut to_bob, mut to_alice) = tokio::join!(swarm.next_socket(), other.next_socket());
/// to_bob.send(json!("hello")).await?;
/// assert_eq!(to_alice.next().await, Some(Ok(Message::Json(json!("hello")))));
/// assert_eq!(to_alice.id(), alice.public_key());
/// # Ok(())
/// # }
/// ```
pub struct PeerSocket {
    socket: Arc<Socket>,
    /// What the sink has taken and the queue has not.
    pending: Option<Outgoing>,
}

/// The half of a socket that receives.
#[derive(Clone, Debug)]
pub struct SocketStream(PeerSocket);

/// The half of a socket that sends.
#[derive(Clone, Debug)]
pub struct SocketSink(PeerSocket);

impl PeerSocket {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            pending: None,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// The key that the peer proved to hold.
    pub fn id(&self) -> PublicKey {
        self.socket.info.id
    }

    /// Who the peer is.
    pub fn info(&self) -> PeerInfo {
        self.socket.info
    }

    /// Where the peer is, if the network tells.
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.info.address
    }

    /// Whether we dialed the peer.
    pub fn is_initiator(&self) -> bool {
        self.socket.info.initiator
    }

    /// Whether it is the socket to ourselves.
    pub fn is_loopback(&self) -> bool {
        self.socket.is_loopback
    }

    /// What is spoken with the peer.
    pub fn protocol(&self) -> &'static str {
        PROTOCOL
    }

    /// How far it is.
    pub fn ready_state(&self) -> ReadyState {
        self.socket.ready_state()
    }

    /// Why it ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.socket.reason()
    }

    /// What the peer says of itself, and each time that it says something else: the latest counts.
    pub fn session_data(&self) -> watch::Receiver<Option<Value>> {
        self.socket.session.subscribe()
    }

    /// Sends a message: it is sent after those before it, once this returns. Waits while too many wait to be sent.
    ///
    /// Cancel safe: then it is not sent.
    ///
    /// # Errors
    ///
    /// The message is too long, or the socket is closed.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut pending = Some(Outgoing(self.socket.frame(message.into())?));
        poll_fn(|cx| self.socket.poll_push(&mut pending, cx)).await
    }

    /// Waits until what was sent is handed over to the connection.
    ///
    /// # Errors
    ///
    /// The socket ended before.
    pub async fn flush(&self) -> Result<(), SendError> {
        poll_fn(|cx| self.socket.poll_flushed(cx)).await
    }

    /// The next message; `None` at the end, for which there is a [reason](Self::close_reason). Cancel safe.
    ///
    /// # Errors
    ///
    /// The peer sent what is no message. It was the last.
    pub async fn recv(&self) -> Option<Result<Message, Malformed>> {
        poll_fn(|cx| self.socket.poll_message(cx)).await
    }

    /// Closes it, in good order: what waits to be sent is sent still, unless the peer does not read for five seconds.
    /// Closing it again does nothing. The peer is still in the swarm, but there is no socket to it until either leaves and
    /// joins again, or another connection is made. To keep it away, [ban](super::PeerSockets::ban) it.
    pub async fn close(&self) {
        self.socket.close().await;
    }

    /// Waits until it has ended.
    pub async fn closed(&self) -> CloseReason {
        self.socket.closed().await
    }

    /// Both halves, for tasks of their own.
    pub fn split(self) -> (SocketSink, SocketStream) {
        let other = self.clone();
        (SocketSink(self), SocketStream(other))
    }

    /// As a stream of bytes: that of its messages of bytes, back to back.
    pub fn into_io(self) -> SocketIo {
        SocketIo::new(self)
    }

    pub(super) fn poll_ready_to_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.socket.poll_push(&mut self.pending, cx))?;
        let closed = match self.socket.is_loopback {
            true => self.socket.incoming.is_closed(),
            false => self.socket.outgoing.is_closed(),
        };
        match closed {
            true => Poll::Ready(Err(SendError::Closed)),
            false => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn start(&mut self, message: Message) -> Result<(), SendError> {
        self.pending = Some(Outgoing(self.socket.frame(message)?));
        // Where there is room it goes at once, whether anybody flushes or not.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match self.socket.poll_push(&mut self.pending, &mut cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    pub(super) fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.socket.poll_push(&mut self.pending, cx))?;
        self.socket.poll_flushed(cx)
    }

    pub(super) fn poll_close_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.socket.ready_state() == ReadyState::Closed {
            return Poll::Ready(Ok(()));
        }
        if self.socket.ready_state() == ReadyState::Open {
            ready!(self.socket.poll_push(&mut self.pending, cx))?;
            ready!(self.socket.poll_flushed(cx))?;
        }
        self.socket.start_closing();
        if self.socket.is_loopback {
            self.socket.finish(CloseReason::Local);
        }
        Poll::Ready(Ok(()))
    }
}

impl Clone for PeerSocket {
    fn clone(&self) -> Self {
        Self::new(self.socket.clone())
    }
}

/// Of the same swarm, the same peer, and the same connection.
impl PartialEq for PeerSocket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }
}

impl Eq for PeerSocket {}

impl Stream for PeerSocket {
    type Item = Result<Message, Malformed>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.socket.poll_message(cx)
    }
}

/// Flushing waits until what was sent is handed over to the connection. Closing closes the socket, and does not wait.
impl Sink<Message> for PeerSocket {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_ready_to_send(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.start(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush_all(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_close_all(cx)
    }
}

impl SocketStream {
    /// The socket of which it is a half.
    pub fn socket(&self) -> &PeerSocket {
        &self.0
    }
}

impl SocketSink {
    /// The socket of which it is a half.
    pub fn socket(&self) -> &PeerSocket {
        &self.0
    }
}

impl Stream for SocketStream {
    type Item = Result<Message, Malformed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl Sink<Message> for SocketSink {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_ready_to_send(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.0.start(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_flush_all(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_close_all(cx)
    }
}

/// What it carries stays private.
impl fmt::Debug for PeerSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSocket")
            .field("info", &self.socket.info)
            .field("ready_state", &self.ready_state())
            .finish_non_exhaustive()
    }
}
