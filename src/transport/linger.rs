//! Closing a socket so that the last bytes arrive.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    runtime::Handle,
    time::timeout,
};
use tower_multiserver_core::Io;

use super::last_words::Counted;

/// A socket that lingers when it is dropped after a finished shutdown.
///
/// A kernel that closes a socket with unread data in it sends a reset, which can destroy what is still on its way to the
/// peer, the end mark of an encrypted stream for one. So a socket whose sending direction was shut down and whose
/// peer has not ended is read to its end for up to a second, in a task of its own, and then closed; see [`lingered`](super::lingered).
/// Dropping without a shutdown closes at once.
///
/// Where whatever carries the socket on ends both directions with one, as Tor does, a shutdown flushes, and the end of our
/// direction is held until the peer's has come or this is dropped. From the shutdown on a write is a
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe). Such a socket lingers whenever it is dropped, since a transform above
/// may have ended though nothing has been shut down.
pub struct Linger<S: Io> {
    io: Option<S>,
    holds: bool,
    end: End,
    peer_ended: bool,
}

/// How far our direction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// Flushed; the socket does not know yet.
    Held,
    ShutDown,
}

/// How long a socket lingers at most.
const LINGER: Duration = Duration::from_secs(1);

/// Lets a socket that is dropped say its last words, in a task of its own, for a second at most.
pub(super) fn linger(last_words: impl Future<Output: Send> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        let counted = Counted::new();
        runtime.spawn(async move {
            let _counted = counted;
            // Who takes longer is cut off.
            let _ = timeout(LINGER, last_words).await;
        });
    }
}

/// Ends our direction and reads until the peer has ended its own, for a second at most: a peer that was refused is told
/// so before a reset can overtake it.
#[cfg(feature = "ws")]
pub(super) async fn hang_up(mut io: impl Io) {
    let last_words = async {
        let shutdown = std::future::poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx));
        if shutdown.await.is_ok() {
            drain(io).await;
        }
    };
    // Who takes longer is cut off.
    let _ = timeout(LINGER, last_words).await;
}

impl<S: Io> Linger<S> {
    pub(crate) fn new(io: S) -> Self {
        Self {
            io: Some(io),
            holds: false,
            end: End::Open,
            peer_ended: false,
        }
    }

    /// Of a socket both whose directions end with one.
    #[cfg_attr(
        not(any(feature = "net", feature = "unix")),
        expect(dead_code, reason = "only sockets linger by reading")
    )]
    pub(crate) fn holding(io: S) -> Self {
        let mut socket = Self::new(io);
        socket.holds = true;
        socket
    }

    /// The socket.
    #[expect(clippy::expect_used, reason = "only the drop leaves none")]
    pub fn get_ref(&self) -> &S {
        self.io.as_ref().expect("taken by drop only")
    }

    #[expect(clippy::expect_used, reason = "only the drop leaves none")]
    fn io(&mut self) -> Pin<&mut S> {
        Pin::new(self.io.as_mut().expect("taken by drop only"))
    }

    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.io().poll_shutdown(cx))?;
        self.end = End::ShutDown;
        Poll::Ready(Ok(()))
    }
}

impl<S: Io> Drop for Linger<S> {
    fn drop(&mut self) {
        // A transform may have ended above without a word to the socket.
        if self.holds && self.end != End::ShutDown {
            // A socket does it at once, and nobody is left to hear of an error.
            let _ = self.poll_let_go(&mut Context::from_waker(Waker::noop()));
        }
        let io = self.io.take();
        if let (Some(io), End::ShutDown, false) = (io, self.end, self.peer_ended) {
            linger(drain(io));
        }
    }
}

async fn drain(mut io: impl Io) {
    let mut unread = [0; 1024];
    while matches!(io.read(&mut unread).await, Ok(1..)) {}
}

impl<S: Io> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.remaining();
        let result = self.io().poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = result
            && before > 0
            && buf.remaining() == before
        {
            self.peer_ended = true;
            if self.end == End::Held {
                // The reader has its end, whatever becomes of ours.
                let _ = self.poll_let_go(cx);
            }
        }
        result
    }
}

impl<S: Io> AsyncWrite for Linger<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end == End::Held {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.io().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds && !self.peer_ended && self.end != End::ShutDown {
            ready!(self.io().poll_flush(cx))?;
            self.end = End::Held;
            return Poll::Ready(Ok(()));
        }
        self.poll_let_go(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.end == End::Held {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }
}

impl<S: Io + fmt::Debug> fmt::Debug for Linger<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Linger").field(self.get_ref()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_held_end_goes_out_behind_the_peers() {
        let (ours, mut theirs) = duplex(100);
        let mut ours = Linger::holding(ours);
        ours.write_all(b"last words").await.expect("room");
        ours.shutdown().await.expect("held");
        let error = ours.write(b"more").await.expect_err("ended");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);

        let mut read = [0; 10];
        theirs.read_exact(&mut read).await.expect("all");
        assert_eq!(&read, b"last words");
        assert!(theirs.read(&mut read).now_or_never().is_none());

        theirs.write_all(b"an answer").await.expect("room");
        theirs.shutdown().await.expect("ended");
        let mut answer = Vec::new();
        ours.read_to_end(&mut answer).await.expect("all");
        assert_eq!(answer, b"an answer");
        let end = theirs.read(&mut read).now_or_never();
        assert_eq!(end.expect("let go").expect("an end"), 0);
        ours.shutdown().await.expect("once more");
    }

    #[tokio::test]
    async fn behind_the_peers_end_nothing_is_held() {
        let (ours, mut theirs) = duplex(100);
        let mut ours = Linger::holding(ours);
        theirs.shutdown().await.expect("ended");
        assert_eq!(ours.read(&mut [0]).await.expect("an end"), 0);
        ours.shutdown().await.expect("ended");
        let end = theirs.read(&mut [0]).now_or_never();
        assert_eq!(end.expect("let go").expect("an end"), 0);
    }

    #[tokio::test]
    async fn a_held_end_goes_out_with_the_drop_and_the_socket_lingers() {
        for is_shut_down in [true, false] {
            let (ours, mut theirs) = duplex(10);
            let mut ours = Linger::holding(ours);
            if is_shut_down {
                ours.shutdown().await.expect("held");
            }
            drop(ours);
            assert_eq!(theirs.read(&mut [0]).await.expect("an end"), 0);
            theirs.write_all(&[0; 100]).await.expect("still read");
        }
    }
}
