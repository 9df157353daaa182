//! The stream that the layer lays over another one.

mod buffer;
mod reader;
mod writer;

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    box_stream::{Opener, Sealer},
    handshake::Outcome,
};

use self::{
    reader::{Delivery, Reader},
    writer::Writer,
};

/// So many reads from the transport may bring nothing for the caller before others get their turn. A transport of tokio's
/// yields by itself; this is for the rest.
const FILL_TURN: usize = 64;

/// A box stream over `I`: what `shs` makes of a connection.
///
/// Each write is sealed and handed to `I` at once, so nothing waits for a flush unless `I` takes no more. What then waits
/// goes out with the next write, flush or read.
///
/// Reading, writing, flushing and shutting down are cancel safe: what was taken is kept. How it ends is told in the
/// [crate's documentation](crate#endings).
pub struct ShsIo<I> {
    io: I,
    reader: Reader,
    writer: Writer,
    /// Whether `io` can end its sending direction and still receive.
    has_half_close: bool,
    shutdown: Shutdown,
    /// Who waits for `io` to take more.
    writing: Option<Waker>,
    /// Who waits for `io` to give more.
    reading: Option<Waker>,
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

impl<I> ShsIo<I> {
    pub(crate) fn new(io: I, outcome: Outcome, has_half_close: bool) -> Self {
        Self {
            io,
            reader: Reader::new(Opener::new(outcome.receiving)),
            writer: Writer::new(Sealer::new(outcome.sending)),
            has_half_close,
            shutdown: Shutdown::Open,
            writing: None,
            reading: None,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> ShsIo<I> {
    /// Sends an empty frame, and does not wait for it: what `io` does not take at once goes out later.
    pub(crate) async fn greet(&mut self) {
        self.writer.seal_nothing();
        poll_fn(|cx| {
            let io = &mut Pin::new(&mut self.io);
            // An error shows when the caller reads or writes.
            if let Poll::Ready(Ok(())) = self.writer.poll_drain(io.as_mut(), cx) {
                let _ = io.as_mut().poll_flush(cx);
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for ShsIo<I> {
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
            match this.reader.deliver(buf)? {
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
                keep(&mut this.reading, cx);
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ShsIo<I> {
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
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shutdown == Shutdown::Open {
            this.writer.end();
            ready!(this.poll_drain(cx))?;
            ready!(Pin::new(&mut this.io).poll_flush(cx))?;
            this.shutdown = Shutdown::Flushed;
        }
        if this.shutdown == Shutdown::Flushed && (this.has_half_close || this.reader.is_over()) {
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

impl<I: AsyncRead + AsyncWrite + Unpin> ShsIo<I> {
    fn poll_seal(
        &mut self,
        cx: &mut Context<'_>,
        is_empty: bool,
        seal: impl FnOnce(&mut Writer) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.writer.is_ended() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(cx))?;
        if is_empty {
            return Poll::Ready(Ok(0));
        }
        let count = seal(&mut self.writer)?;
        if self
            .writer
            .poll_drain(Pin::new(&mut self.io), cx)?
            .is_pending()
        {
            // The writer may never come again, so the reader sends the rest.
            if let Some(reading) = self.reading.take() {
                reading.wake();
            }
        }
        Poll::Ready(Ok(count))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.writer.poll_drain(Pin::new(&mut self.io), cx);
        match polled.is_pending() {
            true => keep(&mut self.writing, cx),
            false => self.writing = None,
        }
        polled
    }

    /// Sends, as the reader, what a writer has left behind.
    fn send_rest(&mut self, cx: &mut Context<'_>) {
        // Not for a writer that waits in another task: its waker would be lost.
        let is_ours = match &self.writing {
            Some(writing) => writing.will_wake(cx.waker()),
            None => true,
        };
        if !self.writer.is_drained() && is_ours {
            // A writer will see the error too, and can do something about it.
            let _ = self.writer.poll_drain(Pin::new(&mut self.io), cx);
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

impl<I> fmt::Debug for ShsIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShsIo")
            .field("reader", &self.reader)
            .field("writer", &self.writer)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}

fn keep(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests;
