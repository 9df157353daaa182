//! The stream, which reads, writes and ends as its codec says.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Wakers;

use super::{
    Open, Seal,
    reader::{Delivery, Reader},
    writer::Writer,
};

/// So many reads from the transport may bring nothing for the caller before others get their turn. A transport of tokio's
/// yields by itself; this is for the rest.
const FILL_TURN: usize = 64;

/// The stream that a layer lays over an `I`: what is written is sealed by an `S`, what arrives is opened by an `O`.
///
/// Each write is sealed and handed to `I` at once, so nothing waits for a flush unless `I` takes no more. What then waits
/// goes out with the next write, flush or read. Buffers are held only while there is something in them.
///
/// Reading, writing, flushing and shutting down are cancel safe: what was taken is kept. How it ends is told in the
/// [module's documentation](super#endings).
pub struct SealedIo<I, S, O> {
    io: I,
    reader: Reader<O>,
    writer: Writer<S>,
    /// Whether `io` may be shut down while the peer still sends.
    takes_shutdown: bool,
    shutdown: Shutdown,
    wakers: Wakers,
}

/// How far our side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    /// Not flushed beyond the goodbye.
    Open,
    /// The goodbye is out.
    Flushed,
    /// So is the end of `io`.
    Done,
}

impl<I, S, O> SealedIo<I, S, O> {
    /// Lays the stream over `io`, whose next bytes are the first that `opener` opens.
    ///
    /// `takes_shutdown` tells whether `io` may be shut down while the peer still sends
    /// ([`Info::takes_shutdown`](crate::Info::takes_shutdown)).
    pub fn new(io: I, sealer: S, opener: O, takes_shutdown: bool) -> Self {
        Self {
            io,
            reader: Reader::new(opener),
            writer: Writer::new(sealer),
            takes_shutdown,
            shutdown: Shutdown::Open,
            wakers: Wakers::new(),
        }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &I {
        &self.io
    }

    /// The memory that its buffers hold now, in bytes: of what is to be read and of what is to be sent.
    pub fn held(&self) -> (usize, usize) {
        (self.reader.held(), self.writer.held())
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, S: Seal, O> SealedIo<I, S, O> {
    /// Sends, before anything is written, a frame that has no text for the peer's application.
    ///
    /// It does not wait for it: what `io` does not take at once goes out later.
    pub async fn greet(&mut self, seal: impl FnOnce(&mut S, &mut [u8]) -> usize) {
        self.writer.greet(seal);
        poll_fn(|_| {
            // An error shows when the caller reads or writes.
            if let Poll::Ready(Ok(())) = self.poll_drain() {
                let _ = Pin::new(&mut self.io).poll_flush(&mut self.wakers.context());
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, S: Seal, O: Open> AsyncRead for SealedIo<I, S, O> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.send_rest(cx);
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..FILL_TURN {
            match this.reader.deliver(buf).map_err(Into::into)? {
                Delivery::Some => return Poll::Ready(Ok(())),
                Delivery::End => {
                    this.close(cx);
                    return Poll::Ready(Ok(()));
                }
                Delivery::Yield => break,
                Delivery::Nothing => {}
            }
            if this
                .reader
                .poll_fill(Pin::new(&mut this.io), cx)?
                .is_pending()
            {
                this.wakers.keep_reader(cx);
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, S: Seal, O: Open> AsyncWrite for SealedIo<I, S, O> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        text: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_seal(cx, text.is_empty(), |writer| writer.seal(text))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wakers.keep_writer(cx);
        ready!(this.poll_drain())?;
        Pin::new(&mut this.io).poll_flush(&mut this.wakers.context())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shutdown == Shutdown::Open {
            this.writer.end();
            ready!(Pin::new(&mut *this).poll_flush(cx))?;
            this.shutdown = Shutdown::Flushed;
        }
        if this.shutdown == Shutdown::Flushed && (this.takes_shutdown || this.reader.is_over()) {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.shutdown = Shutdown::Done;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        texts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_empty = texts.iter().all(|text| text.is_empty());
        self.get_mut()
            .poll_seal(cx, is_empty, |writer| writer.seal_vectored(texts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, S: Seal, O> SealedIo<I, S, O> {
    fn poll_seal(
        &mut self,
        cx: &mut Context<'_>,
        is_empty: bool,
        seal: impl FnOnce(&mut Writer<S>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.writer.is_ended() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.wakers.keep_writer(cx);
        ready!(self.poll_drain())?;
        if is_empty {
            return Poll::Ready(Ok(0));
        }
        let count = seal(&mut self.writer)?;
        // The writer may never come again, and then the reader sends the rest.
        let _ = self.poll_drain()?;
        Poll::Ready(Ok(count))
    }

    /// Sends what is sealed. Whoever has read or written last is woken when `io` takes more.
    fn poll_drain(&mut self) -> Poll<io::Result<()>> {
        let cx = &mut self.wakers.context();
        self.writer.poll_drain(Pin::new(&mut self.io), cx)
    }

    /// Sends, as the reader, what a writer has left behind.
    fn send_rest(&mut self, cx: &Context<'_>) {
        if !self.writer.is_drained() {
            self.wakers.keep_reader(cx);
            // A writer will see the error too, and can do something about it.
            let _ = self.poll_drain();
        }
    }

    /// Ends a transport without half-close, when both directions have ended. Its last words are its own affair.
    fn close(&mut self, cx: &mut Context<'_>) {
        if self.shutdown == Shutdown::Flushed && Pin::new(&mut self.io).poll_shutdown(cx).is_ready()
        {
            self.shutdown = Shutdown::Done;
        }
    }
}

impl<I, S: fmt::Debug, O: fmt::Debug> fmt::Debug for SealedIo<I, S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedIo")
            .field("reader", &self.reader)
            .field("writer", &self.writer)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}
