//! The byte stream over WebSocket messages.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_multiserver_core::Io;

use super::{frame::Side, stream::Stream};
use crate::transport::linger::linger;

/// A byte stream over WebSocket messages, over a stream `I`.
///
/// Each write becomes one binary message, of at most 64 KiB, handed to the transport at once; what the transport does not
/// take at once goes out with the next write, flush or read. What is read is handed on as it arrives. Neither direction
/// ever holds more than 64 KiB, whatever the length of a message, and an idle connection holds no buffer.
///
/// WebSocket cannot end one direction alone, so [`poll_shutdown`](AsyncWrite::poll_shutdown) keeps the close frame back
/// until the peer has sent its own, or until the drop. What is still to be written after the peer's close frame goes out
/// before ours, for 30 seconds at most. A drop after a finished shutdown waits up to a second, in a task of its own, so
/// that the peer gets the close frame; a drop without one just ends the transport.
///
/// Reading ends with the peer's close frame. The end of the transport without one is an error of kind
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof); for others see [`Violation`](super::Violation) and
/// [`Aborted`](super::Aborted).
pub struct WsIo<I: Io>(Option<Stream<I>>);

impl<I: Io> WsIo<I> {
    /// The stream after an opening handshake, with what was read behind it.
    pub(super) fn new(io: I, side: Side, read: &[u8]) -> Self {
        Self(Some(Stream::new(io, side, BytesMut::from(read))))
    }

    #[expect(clippy::expect_used, reason = "only the drop leaves none")]
    pub(super) fn stream(&mut self) -> &mut Stream<I> {
        self.0.as_mut().expect("taken by drop only")
    }
}

impl<I: Io> Drop for WsIo<I> {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take()
            && stream.lingers()
        {
            linger(stream.linger());
        }
    }
}

impl<I: Io> AsyncRead for WsIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl<I: Io> AsyncWrite for WsIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl<I: Io> fmt::Debug for WsIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsIo").finish_non_exhaustive()
    }
}
