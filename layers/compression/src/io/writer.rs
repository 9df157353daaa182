//! What of a compressed stream was not sent yet.

use std::{
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::compressor::Compressor;

/// So much of the stream waits at most for the transport.
pub(super) const LEAVING: usize = 16 << 10;

/// So much is compressed at once, however small it becomes, so that others get their turn.
pub(super) const TURN: usize = 64 << 10;

/// The sending direction.
#[derive(Debug)]
pub(super) struct Writer {
    compressor: Compressor,
    /// Allocated with the first write, and given back at the end.
    leaving: Box<[u8]>,
    filled: Range<usize>,
    /// Whether nothing was written since the last flush.
    is_flushed: bool,
}

impl Writer {
    pub(super) fn new(compressor: Compressor) -> Self {
        Self {
            compressor,
            leaving: Box::default(),
            filled: 0..0,
            is_flushed: true,
        }
    }

    /// Whether it takes no more.
    pub(super) fn is_ended(&self) -> bool {
        self.compressor.is_ended()
    }

    /// Whether all that was written has gone out.
    pub(super) fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// Compresses some of `texts`, which are not all empty: how much, perhaps nothing while the compressor gets rid of what
    /// it holds. Call it when it is ready.
    pub(super) fn compress(&mut self, texts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.is_flushed = false;
        let mut left = TURN;
        for text in texts {
            let mut text = text.get(..left).unwrap_or(text);
            while !text.is_empty() && self.filled.len() < LEAVING {
                let (compressor, room) = self.room();
                let (read, written) = compressor.encode(text, room)?;
                self.filled.end = self.filled.end.saturating_add(written);
                (_, text) = text.split_at(read);
                left = left.saturating_sub(read);
                if (read, written) == (0, 0) {
                    return Err(io::Error::other("the compressor takes nothing"));
                }
            }
            if !text.is_empty() {
                break;
            }
        }
        Ok(TURN.saturating_sub(left))
    }

    /// Sends all that is compressed, and what is left of a flush that was given up.
    pub(super) fn poll_ready(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_drain(io.as_mut(), cx))?;
            if !self.compressor.is_flushing() {
                return Poll::Ready(Ok(()));
            }
            let (compressor, room) = self.room();
            self.filled.end = compressor.flush(room)?;
        }
    }

    /// Sends all that is compressed.
    pub(super) fn poll_drain(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.filled.is_empty() {
            let leaving = self.leaving.get(self.filled.clone()).unwrap_or_default();
            match ready!(io.as_mut().poll_write(cx, leaving))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.filled.start = self.filled.start.saturating_add(count),
            }
        }
        self.filled = 0..0;
        Poll::Ready(Ok(()))
    }

    /// Sends all that was written.
    pub(super) fn poll_flush(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_drain(io.as_mut(), cx))?;
            if !self.compressor.holds_back() {
                ready!(io.poll_flush(cx))?;
                self.is_flushed = true;
                return Poll::Ready(Ok(()));
            }
            let (compressor, room) = self.room();
            self.filled.end = compressor.flush(room)?;
        }
    }

    /// Sends all that was written, and the end.
    pub(super) fn poll_finish(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_ready(io.as_mut(), cx))?;
            if self.compressor.is_finished() {
                self.leaving = Box::default();
                ready!(io.poll_flush(cx))?;
                self.is_flushed = true;
                return Poll::Ready(Ok(()));
            }
            let (compressor, room) = self.room();
            self.filled.end = compressor.finish(room)?;
        }
    }

    /// The compressor and where its output has room.
    fn room(&mut self) -> (&mut Compressor, &mut [u8]) {
        if self.leaving.is_empty() {
            self.leaving = vec![0; LEAVING].into();
        }
        let (_, room) = self.leaving.split_at_mut(self.filled.end);
        (&mut self.compressor, room)
    }
}
