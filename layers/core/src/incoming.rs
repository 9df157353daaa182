//! Accepted connections, as their handshakes finish.

use std::{
    fmt,
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use futures_util::{TryFutureExt as _, future::BoxFuture};
use tokio::time::{Instant, Sleep, sleep};
use tower::ServiceExt as _;
use tower_service::Service;

use crate::{
    ACCEPT_TIMEOUT, Accept, Address, Bound, BoxError, Closing, Connection, Error, Io, Listener,
    Scope, handshakes::Handshakes, trace, transform::into_error, within,
};

/// Accepted connections, as their handshakes finish: a [`Stream`] of them, and of those that failed.
///
/// Handshakes run side by side, at most [`MAX_HANDSHAKES`](Self::MAX_HANDSHAKES) at once. Accepting never waits for a
/// peer: when the set is full, the oldest unfinished one is dropped, first of a host that has more than its share. So mute
/// peers stop nobody. It waits only for the tasks of the dropped ones to let go of their sockets, when those are an eighth
/// more than the set.
///
/// Dropping it closes the socket and aborts the handshakes. The stream ends when the server was told to close and the
/// last handshake has ended.
pub struct Incoming<S, L, I> {
    stack: S,
    listener: Option<L>,
    addresses: Vec<(Scope, Address)>,
    handshakes: Handshakes<Connection<I>>,
    timeout: Duration,
    backoff: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
    told_to_close: BoxFuture<'static, ()>,
}

/// How long to wait when the machine is out of descriptors or memory: long enough to be no busy loop, short enough that
/// nobody notices once there are some again.
const BACKOFF: Duration = Duration::from_millis(50);

impl<S, L, I> Incoming<S, L, I>
where
    S: Service<Accept<L::Raw>, Response = Connection<I>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send,
    L: Listener,
    I: Io,
{
    /// How many unfinished handshakes there may be at once, unless set.
    pub const MAX_HANDSHAKES: usize = 256;

    /// Accepts what `bound` listens for through `stack`, until `closing`.
    pub fn new(bound: Bound<L>, stack: S, closing: Closing) -> Self {
        let mut told = closing.clone();
        Self {
            stack,
            listener: Some(bound.listener),
            addresses: bound.addresses,
            handshakes: Handshakes::new(Self::MAX_HANDSHAKES),
            timeout: ACCEPT_TIMEOUT,
            backoff: None,
            closing: Some(closing),
            told_to_close: Box::pin(async move { told.wait().await }),
        }
    }

    /// Sets the time from accept to authenticated, over all layers. [`ACCEPT_TIMEOUT`] unless set.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many unfinished handshakes there may be at once.
    #[must_use]
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.handshakes.set_max(max);
        self
    }

    /// The next connection, or one that failed. `None` once closed and drained. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Connection<I>, Error>> {
        std::future::poll_fn(|cx| self.poll_connection(cx)).await
    }

    /// As a [`Stream`], also for a stack that is not [`Unpin`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Connection<I>, Error>> + Send {
        futures_util::stream::unfold(self, async |mut this| Some((this.next().await?, this)))
    }

    fn poll_connection(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Connection<I>, Error>>> {
        if self.listener.is_some() && self.told_to_close.as_mut().poll(cx).is_ready() {
            self.stop_listening();
        }
        loop {
            match self.handshakes.poll_next(cx) {
                Poll::Ready(Some(Ok(connection))) => {
                    return Poll::Ready(Some(Ok(connection.guarded(self.closing.clone()))));
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) if self.listener.is_none() => {
                    // So that a shutdown does not wait for us.
                    self.closing = None;
                    return Poll::Ready(None);
                }
                // Those that were dropped let go of their sockets when their tasks run next. Without this wait a burst would
                // have all of its descriptors open at once.
                Poll::Pending if !self.handshakes.has_room() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => {}
            }
            ready!(self.poll_accept(cx));
        }
    }

    /// Takes one step of accepting; pending when there is none to take.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(backoff) = &mut self.backoff {
            ready!(backoff.as_mut().poll(cx));
            self.backoff = None;
        }
        let Some(listener) = &mut self.listener else {
            return Poll::Pending;
        };
        match ready!(listener.poll_accept(cx)) {
            Some(Ok(raw)) => self.shake_hands(raw),
            Some(Err(error)) if is_of_the_peer(&error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "lost before accept"
                );
            }
            Some(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot accept, waiting"
                );
                self.backoff = Some(Box::pin(sleep(BACKOFF)));
            }
            None => self.stop_listening(),
        }
        Poll::Ready(())
    }

    fn shake_hands(&mut self, raw: L::Raw) {
        let deadline = Instant::now().checked_add(self.timeout);
        let peer = L::peer_ip(&raw);
        let accept = self.stack.clone().oneshot(Accept { raw, deadline });
        self.handshakes.spawn(peer, async move {
            // Pinned here, since each `async fn` that takes a future by value has room for it twice.
            let accept = pin!(accept.map_err(into_error));
            // The layers keep the deadline themselves and know their place; this is for those that do not.
            trace::accepting(within(deadline, accept)).await
        });
    }
}

impl<S, L, I> Incoming<S, L, I> {
    /// Under which addresses peers reach it, and whom to tell.
    pub fn addresses(&self) -> &[(Scope, Address)] {
        &self.addresses
    }

    fn stop_listening(&mut self) {
        self.listener = None;
        self.backoff = None;
        self.told_to_close = Box::pin(std::future::pending());
    }
}

/// Whether the peer of this one attempt is gone, so that the next may be tried at once (accept(2)).
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, TimedOut,
    };
    const EPROTO: i32 = 71;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    ) || error.raw_os_error() == Some(EPROTO)
}

impl<S, L, I> Stream for Incoming<S, L, I>
where
    S: Service<Accept<L::Raw>, Response = Connection<I>, Error: Into<BoxError>>,
    S: Clone + Send + Unpin + 'static,
    S::Future: Send,
    L: Listener,
    I: Io,
{
    type Item = Result<Connection<I>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_connection(cx)
    }
}

impl<S, L, I> fmt::Debug for Incoming<S, L, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
