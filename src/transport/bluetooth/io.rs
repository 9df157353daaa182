//! The byte stream, and how it ends.

use std::{
    any::Any,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bluer::rfcomm;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_multiserver_core::Io;

/// A byte stream over RFCOMM.
///
/// RFCOMM cannot end one direction alone, so [`poll_shutdown`](AsyncWrite::poll_shutdown) keeps the close back until the
/// peer has closed, or until the drop. What was written before goes out before it. Once the peer has closed nothing more
/// can be sent to it.
///
/// Reading ends with the peer's close, however it came about: RFCOMM has no mark for an end that was meant. A peer that is
/// out of range all of a sudden is an error, when the link is given up after some 20 seconds.
pub struct BluetoothIo {
    io: Closing<rfcomm::Stream>,
    /// What has to stay as long as the connection. Dropped after it.
    _keep: Option<Arc<dyn Any + Send + Sync>>,
}

impl BluetoothIo {
    pub(super) fn new(stream: rfcomm::Stream) -> Self {
        Self {
            io: Closing::new(stream),
            _keep: None,
        }
    }

    /// With what has to stay as long as the connection.
    #[cfg(feature = "bluetooth-profiles")]
    pub(super) fn keeping(mut self, keep: Arc<dyn Any + Send + Sync>) -> Self {
        self._keep = Some(keep);
        self
    }
}

/// A socket that can say what it holds.
trait Socket: Io {
    /// Whether there is something to read, asked of the system itself.
    fn has_unread(&self) -> bool;
}

impl Socket for rfcomm::Stream {
    fn has_unread(&self) -> bool {
        self.as_ref().input_buffer().is_ok_and(|bytes| bytes > 0)
    }
}

struct Closing<S: Socket> {
    socket: S,
    /// Our direction is over.
    ended: bool,
    /// The peer's direction is over.
    peer_ended: bool,
    /// A write failed, so the connection is no more, and what remains is what came before.
    broken: bool,
    closed: bool,
}

impl<S: Socket> Closing<S> {
    fn new(socket: S) -> Self {
        Self {
            socket,
            ended: false,
            peer_ended: false,
            broken: false,
            closed: false,
        }
    }

    /// Closes the connection, whoever else holds the socket: BlueZ keeps one of its own.
    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            // It never waits. A failure says that the connection is gone already.
            let cx = &mut Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
        }
    }

    fn on_end(&mut self) {
        self.peer_ended = true;
        if self.ended {
            self.close();
        }
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        result.map_err(|error| {
            self.broken = true;
            match error.raw_os_error() {
                // As a write behind an end is called elsewhere.
                Some(libc::ECONNRESET | libc::ENOTCONN) => io::ErrorKind::BrokenPipe.into(),
                _ => error,
            }
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.peer_ended || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.remaining();
        match Pin::new(&mut self.socket).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.remaining() == before => self.on_end(),
            // The kernel tells a close in this way, once, behind all that was sent before.
            Poll::Ready(Err(error)) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                self.on_end();
            }
            // It told the writer, and will not tell again.
            Poll::Pending if self.broken && !self.socket.has_unread() => self.on_end(),
            read => return read,
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended || self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ended || self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.ended = true;
            if self.peer_ended {
                self.close();
            }
        }
        flushed
    }
}

impl<S: Socket> Drop for Closing<S> {
    fn drop(&mut self) {
        self.close();
    }
}

impl AsyncRead for BluetoothIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }
}

impl AsyncWrite for BluetoothIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_shutdown(cx)
    }
}

impl fmt::Debug for BluetoothIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BluetoothIo").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
