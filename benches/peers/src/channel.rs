//! What all stacks give: bytes both ways.

use std::future::Future;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::Result;

/// A connection, of bytes or of messages.
pub(crate) trait Channel: Send + 'static {
    /// Sends all of `bytes`, or leaves some of them for the flush.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<()>> + Send;

    /// Sends what is left.
    fn flush(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Receives what is there, and says how much of `buffer` that is: nothing at the end.
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>> + Send;
}

/// One that a task holds once, wherever its futures move it.
impl<C: Channel> Channel for Box<C> {
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<()>> + Send {
        (**self).send(bytes)
    }

    fn flush(&mut self) -> impl Future<Output = Result<()>> + Send {
        (**self).flush()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>> + Send {
        (**self).receive(buffer)
    }
}

/// A connection of bytes.
pub(crate) struct Bytes<T>(pub(crate) T);

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Channel for Bytes<T> {
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush().await?)
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.0.read(buffer).await?)
    }
}
