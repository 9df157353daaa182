//! The stream that the layer lays over another one.

mod reader;
mod writer;

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop,
};
use tower_multiserver_core::{Address, Wakers};

use crate::{compressor::Compressor, decompressor::Decompressor};

use self::{
    reader::{Delivery, Reader},
    writer::Writer,
};

/// So many steps may bring nothing for the caller before others get their turn.
const FILL_TURN: usize = 64;

/// A compressed stream over `I`: what `gzip` or one of its likes makes of a connection.
///
/// What is written goes out when it is flushed, when the compressor has enough of it, or when this side waits in a read:
/// so no peer waits for what we hold back while we wait for its answer.
///
/// Reading, writing, flushing and shutting down are cancel safe: what was taken is kept. How it ends is told in the
/// [crate's documentation](crate#endings).
pub struct CompressionIo<I> {
    io: I,
    reader: Reader,
    writer: Writer,
    /// Where an error happened.
    place: Address,
    /// Whether `io` may be shut down while the peer still sends.
    takes_shutdown: bool,
    shutdown: Shutdown,
    wakers: Wakers,
    /// The writer that waits for `io` to take more, unless it was given up.
    writing: Option<Waker>,
    /// Whether the reader has let that writer go first.
    is_asked: bool,
}

/// How far our side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    /// Not flushed beyond the end mark.
    Open,
    /// The end mark is out.
    Flushed,
    /// So is the end of `io`.
    Done,
}

impl<I> CompressionIo<I> {
    pub(crate) fn new(
        io: I,
        (compressor, decompressor): (Compressor, Decompressor),
        place: Address,
        takes_shutdown: bool,
    ) -> Self {
        Self {
            io,
            reader: Reader::new(decompressor),
            writer: Writer::new(compressor),
            place,
            takes_shutdown,
            shutdown: Shutdown::Open,
            wakers: Wakers::new(),
            writing: None,
            is_asked: false,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for CompressionIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // A little input may be read for a long time without a look at the transport.
        let turn = ready!(coop::poll_proceed(cx));
        for _ in 0..FILL_TURN {
            let delivery = this.reader.deliver(buf);
            match delivery.map_err(|error| error.at(&this.place))? {
                Delivery::Some => {
                    turn.made_progress();
                    return Poll::Ready(Ok(()));
                }
                Delivery::End => {
                    turn.made_progress();
                    this.close(cx);
                    return Poll::Ready(Ok(()));
                }
                Delivery::Nothing => continue,
                Delivery::Empty => {}
            }
            if this
                .reader
                .poll_fill(Pin::new(&mut this.io), cx)?
                .is_pending()
            {
                this.send_rest(cx);
                this.wakers.keep_reader(cx);
                return Poll::Pending;
            }
        }
        turn.made_progress();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CompressionIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        text: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(text)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wakers.keep_writer(cx);
        let polled = this.poll_writer(Writer::poll_flush);
        this.waits(polled.is_pending(), cx);
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shutdown == Shutdown::Open {
            this.wakers.keep_writer(cx);
            let polled = this.poll_writer(Writer::poll_finish);
            this.waits(polled.is_pending(), cx);
            ready!(polled)?;
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
        let this = self.get_mut();
        if this.writer.is_ended() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // Much text may become little, and be written for a long time without a look at the transport.
        let turn = ready!(coop::poll_proceed(cx));
        this.wakers.keep_writer(cx);
        let count = loop {
            let polled = this.poll_writer(Writer::poll_ready);
            this.waits(polled.is_pending(), cx);
            ready!(polled)?;
            if texts.iter().all(|text| text.is_empty()) {
                return Poll::Ready(Ok(0));
            }
            match this.writer.compress(texts)? {
                0 => {}
                count => break count,
            }
        };
        turn.made_progress();
        // What it does not take goes out later.
        let _ = this.poll_writer(Writer::poll_drain)?;
        // The writer may never come again, and then the reader sends the rest.
        this.wakers.wake_reader();
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> CompressionIo<I> {
    /// Lets the writer go on. Whoever has read or written last is woken when `io` takes more.
    fn poll_writer<T>(
        &mut self,
        poll: impl FnOnce(&mut Writer, Pin<&mut I>, &mut Context<'_>) -> T,
    ) -> T {
        let cx = &mut self.wakers.context();
        poll(&mut self.writer, Pin::new(&mut self.io), cx)
    }

    fn waits(&mut self, is_pending: bool, cx: &Context<'_>) {
        self.writing = is_pending.then(|| cx.waker().clone());
        self.is_asked = false;
    }

    /// Sends, as a reader that waits, what a writer has left behind.
    fn send_rest(&mut self, cx: &Context<'_>) {
        if self.writer.is_flushed() {
            return;
        }
        self.wakers.keep_reader(cx);
        let is_elsewhere = match &self.writing {
            Some(writing) => !writing.will_wake(cx.waker()),
            None => false,
        };
        // A writer will see an error too, and can do something about it.
        if !is_elsewhere || self.is_asked {
            let _ = self.poll_writer(Writer::poll_flush);
        } else if self.poll_writer(Writer::poll_drain).is_ready() {
            // A flush in the middle of what it writes would make that longer. If it does not come now, it was given up.
            self.is_asked = true;
            self.wakers.wake_writer();
            cx.waker().wake_by_ref();
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

impl<I> fmt::Debug for CompressionIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressionIo")
            .field("reader", &self.reader)
            .field("writer", &self.writer)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
