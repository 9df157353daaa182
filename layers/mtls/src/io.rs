//! The stream inside TLS, and the one below it.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;
use tower_multiserver_core::{Address, Io};

use crate::error::ended;

/// The stream over `I` that [`MtlsLayer`](crate::MtlsLayer) makes of a connection.
///
/// What `I` does not take at once goes out with the next write, flush or shutdown. How it ends is told in the
/// [crate's documentation](crate#endings).
pub struct MtlsIo<I> {
    // Of a kilobyte and more.
    tls: Box<TlsStream<Below<I>>>,
    at: Address,
    /// The peer has taken us for who we are. Of a server a client knows that by its first byte.
    let_in: bool,
    /// The peer's `close_notify` was read.
    is_over: bool,
    shutdown: Shutdown,
}

/// How far our side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    Open,
    /// There is no more to write.
    Begun,
    /// Our `close_notify` is out.
    Flushed,
}

impl<I: Io> MtlsIo<I> {
    pub(crate) fn new(tls: TlsStream<Below<I>>, at: Address) -> Self {
        Self {
            let_in: matches!(tls, TlsStream::Server(_)),
            tls: Box::new(tls),
            at,
            is_over: false,
            shutdown: Shutdown::Open,
        }
    }

    fn tls(&mut self) -> Pin<&mut TlsStream<Below<I>>> {
        Pin::new(&mut self.tls)
    }

    /// The peer has ended too, so that the stream below may end in any case.
    fn end(&mut self, cx: &mut Context<'_>) {
        self.is_over = true;
        let below = self.tls.get_mut().0;
        below.takes_shutdown = true;
        if self.shutdown == Shutdown::Flushed {
            // Its last words are its own affair.
            let _ = Pin::new(below).poll_shutdown(cx);
        }
    }
}

impl<I> MtlsIo<I> {
    /// The stream below.
    pub fn get_ref(&self) -> &I {
        &self.tls.get_ref().0.io
    }
}

impl<I: Io> AsyncRead for MtlsIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A read of nothing would look like the end.
        if buf.remaining() == 0 || this.is_over {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = ready!(this.tls().poll_read(cx, buf));
        read.map_err(|error| ended(error, &this.at, this.let_in))?;
        this.let_in = true;
        if buf.filled().len() == before {
            this.end(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Io> AsyncWrite for MtlsIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.shutdown {
            Shutdown::Open => this.tls().poll_write(cx, buf),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().tls().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shutdown == Shutdown::Open {
            this.shutdown = Shutdown::Begun;
        }
        ready!(this.tls().poll_shutdown(cx))?;
        this.shutdown = Shutdown::Flushed;
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.shutdown {
            Shutdown::Open => this.tls().poll_write_vectored(cx, bufs),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}

impl<I> fmt::Debug for MtlsIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MtlsIo")
            .field("at", &self.at)
            .field("is_over", &self.is_over)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}

/// The stream below TLS, which ends only when it may.
pub(crate) struct Below<I> {
    io: I,
    /// Else a shutdown is a flush.
    takes_shutdown: bool,
    is_shut_down: bool,
}

impl<I> Below<I> {
    /// `takes_shutdown` tells whether `io` may be shut down while the peer still sends.
    pub(crate) fn new(io: I, takes_shutdown: bool) -> Self {
        Self {
            io,
            takes_shutdown,
            is_shut_down: false,
        }
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: Io> AsyncRead for Below<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: Io> AsyncWrite for Below<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        if self.takes_shutdown && !self.is_shut_down {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.is_shut_down = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
