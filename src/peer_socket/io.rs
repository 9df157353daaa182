//! A socket as a stream of bytes.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{CloseReason, Message, PeerSocket};
use crate::fits::{at_most, read_into};

/// A socket as a stream of bytes: that of its messages of bytes, back to back.
///
/// The end is clean where either side closed the socket. Shutting down is closing: there is no half-close.
pub struct SocketIo {
    socket: PeerSocket,
    rest: Bytes,
}

/// How much goes into one message, where that much is allowed.
const CHUNK: usize = 64 << 10;

impl SocketIo {
    pub(super) fn new(socket: PeerSocket) -> Self {
        Self {
            socket,
            rest: Bytes::new(),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &PeerSocket {
        &self.socket
    }

    fn end(&self) -> io::Result<()> {
        match self.socket.close_reason() {
            None | Some(CloseReason::Local | CloseReason::Remote) => Ok(()),
            Some(CloseReason::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(CloseReason::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Some(CloseReason::Protocol(malformed)) => Err(malformed.into()),
        }
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.socket.shared().poll_message(cx)) {
                Some(Ok(Message::Bytes(bytes))) => self.rest = bytes,
                Some(Ok(_)) => {
                    let error = "a message that is not of bytes";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Some(Err(malformed)) => return Poll::Ready(Err(malformed.into())),
                None => return Poll::Ready(self.end()),
            }
        }
        let count = read_into(buf, &self.rest);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.socket.poll_ready_to_send(cx))?;
        let max = self.socket.shared().max_message().min(CHUNK);
        let chunk = at_most(buf, max);
        let message = Message::Bytes(Bytes::copy_from_slice(chunk));
        self.socket.start(message)?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush_all(cx).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close_all(cx).map_err(Into::into)
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketIo").field(&self.socket).finish()
    }
}
