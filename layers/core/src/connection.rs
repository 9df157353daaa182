//! A byte stream and what the layers learned about its peer.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tracing::Span;

use crate::{BoxIo, Closing, Info, Io, Section};

/// A byte stream and what the layers learned about its peer.
///
/// It is the only way to wrap a stream, so that no layer can forget the address or the facts:
/// [`layered`](Self::layered) for a transform, [`map`](Self::map) for a layer without a section.
///
/// Reading and writing are those of the stream. [`AsyncWrite::poll_shutdown`] ends our direction only; where the
/// connection has no [`HalfClose`](crate::HalfClose), the transport ends with the other direction or at the drop.
#[pin_project]
pub struct Connection<I = BoxIo> {
    #[pin]
    io: I,
    info: Info,
    deadline: Option<Instant>,
    closing: Option<Closing>,
    span: Span,
}

impl<I> Connection<I> {
    /// A transport's new connection, reached at `section`, which must hold no secrets.
    pub fn new(io: I, section: Section) -> Self {
        Self {
            io,
            info: Info::new(section),
            deadline: None,
            closing: None,
            span: Span::none(),
        }
    }

    /// Records a fact about the peer.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, fact: T) -> Self {
        self.info.insert(fact);
        self
    }

    /// Sets when the last handshake above must have ended. Transports do, for both roles.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// When the last handshake must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The address and the facts.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The address and the facts, to record more.
    pub fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    /// Lays a transform's stream over this one, and its section over the address. The facts stay.
    pub fn layered<J>(mut self, section: Section, over: impl FnOnce(I) -> J) -> Connection<J> {
        self.info.push_section(section);
        self.map(over)
    }

    /// Lays a stream without a section over this one. Address and facts stay.
    pub fn map<J>(self, over: impl FnOnce(I) -> J) -> Connection<J> {
        Connection {
            io: over(self.io),
            info: self.info,
            deadline: self.deadline,
            closing: self.closing,
            span: self.span,
        }
    }

    /// Erases the type of the stream. Address and facts stay.
    pub fn boxed(self) -> Connection
    where
        I: Io,
    {
        self.map(BoxIo::new)
    }

    /// The stream.
    pub fn get_ref(&self) -> &I {
        &self.io
    }

    /// The stream.
    pub fn get_mut(&mut self) -> &mut I {
        &mut self.io
    }

    /// The stream and what is known of it. A draining [`Shutdown`](crate::Shutdown) no longer waits for it.
    pub fn into_parts(self) -> (I, Info) {
        (self.io, self.info)
    }

    /// Resolves when the server that accepted this connection begins to shut down; never for a dialed one. Cancel safe.
    pub async fn closing(&mut self) {
        match &mut self.closing {
            Some(closing) => closing.wait().await,
            None => std::future::pending().await,
        }
    }

    /// A handle that resolves like [`closing`](Self::closing), for use while the connection is borrowed. The server's
    /// shutdown waits for it as for the connection.
    pub fn closing_handle(&self) -> Option<Closing> {
        self.closing.clone()
    }

    /// The [`tracing`] span of this connection, which closes with it. See [`trace`](crate::trace) for its fields.
    ///
    /// Reading and writing do not enter it. Whoever handles the connection may.
    pub fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn with_span(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    pub(crate) fn guarded(mut self, closing: Option<Closing>) -> Self {
        self.closing = closing;
        self
    }
}

impl<I> fmt::Debug for Connection<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl<I: AsyncRead> AsyncRead for Connection<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for Connection<I> {
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
