//! The byte stream over messages.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_multiserver_core::Wakers;

use super::{
    inbox::Inbox,
    message,
    pipe::{Pipe, Texts},
};
use crate::{fits::at_most, transport::linger::linger};

/// A byte stream over a pipe of messages.
///
/// Each write becomes one message of at most 48 KiB, handed to the pipe at once; what the pipe does not take at once
/// goes out with the next write, flush or read. A write waits while the pipe has no room, and the pipe is asked for a
/// message only when all before it was read. So what is held of the peer is one message, and what came ahead of its
/// turn.
///
/// [`poll_shutdown`](AsyncWrite::poll_shutdown) sends `end`; the pipe itself is closed when the peer has ended too, or at
/// the drop, behind which it is still read until the peer has ended. A drop without a shutdown sends `error`: a pipe need
/// not tell its other end that it is gone. Both happen in a task of its own, for a second at most (see
/// [`lingered`](crate::transport::lingered)).
///
/// Reading ends with the peer's `end`. The end of the pipe without it is an error of kind
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof); for others see [`Violation`](super::Violation) and
/// [`Aborted`](super::Aborted).
pub struct RnChannelIo<P: Pipe>(Option<Stream<P>>);

struct Stream<P> {
    pipe: Texts<P>,
    inbox: Inbox,
    /// The number of the message that we send next.
    seq: u64,
    /// The pipe may hold back what we sent.
    unflushed: bool,
    /// Our direction is over.
    ended: bool,
    /// The pipe is closed.
    closed: bool,
    /// Nothing can be written any more.
    broken: bool,
    wakers: Wakers,
}

/// The most bytes of a message that we send: 64 KiB of base64.
const MAX_WRITE: usize = 48 * 1024;

/// So many messages may bring nothing for the caller before others get their turn.
const TURN: usize = 64;

impl<P: Pipe> RnChannelIo<P> {
    pub(super) fn new(pipe: P) -> Self {
        Self(Some(Stream {
            pipe: Texts(pipe),
            inbox: Inbox::new(),
            seq: 1,
            unflushed: false,
            ended: false,
            closed: false,
            broken: false,
            wakers: Wakers::new(),
        }))
    }

    #[expect(clippy::expect_used, reason = "only the drop leaves none")]
    fn stream(&mut self) -> &mut Stream<P> {
        self.0.as_mut().expect("taken by drop only")
    }
}

impl<P: Pipe> Stream<P> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            self.wakers.keep_reader(cx);
            // What fails here, the next write tells.
            let _ = self.poll_flush();
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..TURN {
            if let Some(delivered) = self.inbox.deliver(buf) {
                if self.ended && self.inbox.has_ended() {
                    self.wakers.keep_reader(cx);
                    // It is of no use any more, so how it closes does not matter. The drop waits for it.
                    let _ = self.poll_close();
                }
                return Poll::Ready(delivered);
            }
            match ready!(self.pipe.poll_receive(cx)) {
                Some(Ok(text)) => self.inbox.receive(&text),
                Some(Err(error)) => {
                    self.inbox.cut();
                    return Poll::Ready(Err(error));
                }
                None => self.inbox.cut(),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.wakers.keep_writer(cx);
        // A single buffer, as it mostly is, needs no copy.
        let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
        let gathered;
        let bytes = match (filled.next(), filled.next()) {
            (None, _) => return Poll::Ready(Ok(0)),
            (Some(buf), None) => at_most(buf, MAX_WRITE),
            _ => {
                gathered = gather(bufs);
                &gathered[..]
            }
        };
        ready!(self.poll_send(|seq| message::data(seq, bytes)))?;
        // At once, so that a message does not wait for a flush.
        if let Poll::Ready(flushed) = self.poll_flush() {
            flushed?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wakers.keep_writer(cx);
        if !self.ended {
            ready!(self.poll_send(message::end))?;
            self.ended = true;
        }
        ready!(self.poll_flush())?;
        match self.inbox.has_ended() {
            true => self.poll_close(),
            false => Poll::Ready(Ok(())),
        }
    }

    /// Hands a message to the pipe, when there is room.
    fn poll_send(&mut self, message: impl FnOnce(u64) -> String) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = ready!(self.pipe.poll_room(&mut self.wakers.context()));
        let sent = room.and_then(|()| self.pipe.send(message(self.seq)));
        self.broken = sent.is_err();
        self.unflushed = sent.is_ok();
        self.seq = self.seq.saturating_add(1);
        Poll::Ready(sent)
    }

    fn poll_flush(&mut self) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.unflushed {
            let flushed = ready!(self.pipe.poll_flush(&mut self.wakers.context()));
            self.unflushed = false;
            self.broken = flushed.is_err();
            flushed?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self) -> Poll<io::Result<()>> {
        if !self.closed && !self.broken {
            let closed = ready!(self.pipe.poll_close(&mut self.wakers.context()));
            self.closed = true;
            self.broken = closed.is_err();
            closed?;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the peer is to be told, or to be waited for, before the pipe goes.
    fn lingers(&self) -> bool {
        let is_over = self.closed && self.inbox.has_ended();
        !is_over && !self.broken
    }

    /// Sends what waits, says that it was a cut if it is one, and closes the pipe. After an end of ours it is read on to
    /// the peer's, since a process that writes to a pipe without a reader may die of it.
    async fn linger(mut self) {
        let is_cut = !self.ended;
        let closed = poll_fn(|cx| {
            self.wakers.keep_writer(cx);
            if !self.ended {
                ready!(self.poll_send(message::cut))?;
                self.ended = true;
            }
            ready!(self.poll_flush())?;
            self.poll_close()
        });
        if closed.await.is_err() || is_cut {
            return;
        }
        let mut unread = [0; 1024];
        while !self.inbox.has_ended() {
            let mut buf = ReadBuf::new(&mut unread);
            if poll_fn(|cx| self.poll_read(cx, &mut buf)).await.is_err() {
                return;
            }
        }
    }
}

/// The first bytes of all.
fn gather(bufs: &[IoSlice<'_>]) -> Vec<u8> {
    let mut gathered = Vec::new();
    for buf in bufs {
        let room = MAX_WRITE.saturating_sub(gathered.len());
        gathered.extend_from_slice(at_most(buf, room));
    }
    gathered
}

impl<P: Pipe> Drop for RnChannelIo<P> {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take()
            && stream.lingers()
        {
            linger(stream.linger());
        }
    }
}

impl<P: Pipe> AsyncRead for RnChannelIo<P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl<P: Pipe> AsyncWrite for RnChannelIo<P> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.stream();
        stream.wakers.keep_writer(cx);
        stream.poll_flush()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl<P: Pipe> fmt::Debug for RnChannelIo<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RnChannelIo").finish_non_exhaustive()
    }
}
