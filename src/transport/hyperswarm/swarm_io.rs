//! The stream of a peer of a swarm.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc::UnboundedSender,
};
use tower_multiserver_core::PublicKey;

/// A connection of a [`Swarm`](super::Swarm), which learns when it is dropped.
#[pin_project]
pub struct SwarmIo<I> {
    #[pin]
    io: I,
    _place: Place,
}

/// Tells that a peer is lost when it is dropped. There is one of a peer at a time, so the channel stays small.
struct Place {
    key: PublicKey,
    lost: UnboundedSender<PublicKey>,
}

impl<I> SwarmIo<I> {
    pub(super) fn new(io: I, key: PublicKey, lost: UnboundedSender<PublicKey>) -> Self {
        let _place = Place { key, lost };
        Self { io, _place }
    }

    /// The stream, and what tells the swarm when it is dropped.
    #[cfg(feature = "peer-socket")]
    pub(crate) fn into_parts(self) -> (I, impl Send + 'static) {
        (self.io, self._place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody listens once the topic is left.
        let _ = self.lost.send(self.key);
    }
}

impl<I: AsyncRead> AsyncRead for SwarmIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for SwarmIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<I> fmt::Debug for SwarmIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwarmIo").finish_non_exhaustive()
    }
}
