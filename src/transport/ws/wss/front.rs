//! The server's side of the handshake.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::Extensions;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tower_multiserver_core::{BoxIo, Error, ErrorKind};

use super::{error::failed, fact::Tls};
use crate::transport::ws::serve::{Failed, Front};

/// The most that a client may send before it has shaken hands, so that strangers take no more memory than the head of a
/// request does. A browser's part, post-quantum keys included, is below 4 KiB.
const MAX_HANDSHAKE: usize = 16 * 1024;

/// TLS before HTTP.
pub(super) struct TlsFront(pub(super) Arc<ServerConfig>);

impl Front for TlsFront {
    fn open(&self, stream: TcpStream) -> BoxFuture<'static, Result<(BoxIo, Extensions), Failed>> {
        let acceptor = TlsAcceptor::from(self.0.clone());
        Box::pin(async move {
            let metered = Metered::new(stream);
            match acceptor.accept(metered).into_fallible().await {
                Ok(mut stream) => {
                    let (metered, session) = stream.get_mut();
                    metered.left = None;
                    let mut facts = Extensions::new();
                    facts.insert(Tls::of(session));
                    Ok((BoxIo::new(stream), facts))
                }
                Err((error, metered)) => Err((failed(error), Some(metered.io))),
            }
        })
    }
}

impl fmt::Debug for TlsFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFront").finish_non_exhaustive()
    }
}

/// Reads a limited number of bytes, until the limit is lifted.
struct Metered {
    io: TcpStream,
    left: Option<usize>,
}

impl Metered {
    fn new(io: TcpStream) -> Self {
        let left = Some(MAX_HANDSHAKE);
        Self { io, left }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == Some(0) {
            let reason = "the client's part of the handshake is too long";
            let error = Error::new(ErrorKind::Limit, reason);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let read = buf.filled().len().saturating_sub(before);
        self.left = self.left.map(|left| left.saturating_sub(read));
        polled
    }
}

impl AsyncWrite for Metered {
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
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
