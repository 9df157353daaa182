//! A stream of UDX as the secret stream wants it: a frame in one write, and a record of what moved.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::udx::Stream;
use crate::lock::lock;

/// The stream below the secret stream.
///
/// The secret stream writes the length of a frame, the frame, and flushes. Here a frame is gathered, written as one when it is
/// flushed, and its acknowledgement not waited for; unless [`Moved::sync`] says to.
pub(super) struct Raw {
    stream: Stream,
    frame: Vec<u8>,
    moved: Arc<Moved>,
}

/// What went over a stream, shared with whoever watches it.
#[derive(Debug)]
pub(super) struct Moved {
    began: Instant,
    heard: Arc<Mutex<Instant>>,
    read: AtomicU64,
    written: AtomicU64,
    sync: AtomicBool,
}

/// How old a connection is when one that crossed it on the way would have come.
const SETTLED: Duration = Duration::from_secs(1);

impl Raw {
    pub(super) fn new(stream: Stream) -> (Self, Arc<Moved>) {
        let moved = Arc::new(Moved {
            began: Instant::now(),
            heard: stream.heard(),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            sync: AtomicBool::new(false),
        });
        let raw = Self {
            stream,
            frame: Vec::new(),
            moved: moved.clone(),
        };
        (raw, moved)
    }
}

impl Moved {
    /// When the peer gave its last sign of life.
    pub(super) fn last_heard(&self) -> Instant {
        *lock(&self.heard)
    }

    /// Whether something went both ways, and not just now.
    pub(super) fn is_settled(&self) -> bool {
        self.began.elapsed() > SETTLED
            && self.read.load(Ordering::Relaxed) > 0
            && self.written.load(Ordering::Relaxed) > 0
    }

    /// Whether a flush waits until the peer has acknowledged what was written.
    pub(super) fn sync(&self, sync: bool) {
        self.sync.store(sync, Ordering::Relaxed);
    }

    fn did_read(&self, count: usize) {
        self.read.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Raw {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let count = buf.filled().len().saturating_sub(before);
        if count > 0 {
            self.moved.did_read(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Raw {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Bounded by the frames of its only writer.
        self.frame.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.frame.is_empty() {
            let count = ready!(Pin::new(&mut this.stream).poll_write(cx, &this.frame))?;
            this.frame.drain(..count);
            let written = &this.moved.written;
            written.fetch_add(count as u64, Ordering::Relaxed);
        }
        match this.moved.sync.load(Ordering::Relaxed) {
            true => Pin::new(&mut this.stream).poll_flush(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
