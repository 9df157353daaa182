//! Closing a socket so that the last bytes arrive.

use std::{
    fmt, io,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    runtime::Handle,
    sync::watch,
    time::timeout,
};
use tower_multiserver_core::Io;

/// A socket that lingers when it is dropped after a finished shutdown.
///
/// A kernel that closes a socket with unread data in it sends a reset, which can destroy what is still on its way to the
/// peer, the end mark of an encrypted stream for one. So a socket whose sending direction was shut down and whose
/// peer has not ended is read to its end for up to a second, in a task of its own, and then closed; see [`lingered`].
/// Dropping without a shutdown closes at once.
pub struct Linger<S: Io> {
    io: Option<S>,
    shut_down: bool,
    peer_ended: bool,
}

/// How long a socket lingers at most.
const LINGER: Duration = Duration::from_secs(1);

/// How many sockets of this process linger. They have no other owner left.
static LINGERING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Waits until no socket of this process lingers any more, which takes a second at most. Cancel safe.
///
/// For a program that ends after its last connection: the end of its runtime would take the sockets with it before their
/// last bytes have arrived.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // … serve, and then:
/// tower_multiserver::transport::lingered().await;
/// # }
/// ```
pub async fn lingered() {
    let mut lingering = LINGERING.subscribe();
    // An error would say that the sender is gone, which is static.
    let _ = lingering.wait_for(|count| *count == 0).await;
}

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

struct Counted;

impl Counted {
    fn new() -> Self {
        LINGERING.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LINGERING.send_modify(|count| *count -= 1);
    }
}

impl<S: Io> Linger<S> {
    pub(crate) fn new(io: S) -> Self {
        Self {
            io: Some(io),
            shut_down: false,
            peer_ended: false,
        }
    }

    /// The socket.
    pub fn get_ref(&self) -> &S {
        self.io.as_ref().expect("taken by drop only")
    }

    fn io(&mut self) -> Pin<&mut S> {
        Pin::new(self.io.as_mut().expect("taken by drop only"))
    }
}

impl<S: Io> Drop for Linger<S> {
    fn drop(&mut self) {
        let io = self.io.take();
        if let (Some(io), true, false) = (io, self.shut_down, self.peer_ended) {
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
        self.io().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.io().poll_shutdown(cx);
        if let Poll::Ready(Ok(())) = result {
            self.shut_down = true;
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
