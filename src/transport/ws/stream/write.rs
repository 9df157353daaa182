//! Writing: each write a message, at once; nothing but the last of them waits.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tower_multiserver_core::Io;

use super::{super::spare, End, Stream};
use crate::fits::at_most;

/// The most payload of a message that we send, so that what is buffered is bounded.
const MAX_WRITE: usize = 64 * 1024;

impl<I: Io> Stream<I> {
    pub(in super::super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ended || self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_written(cx))?;
        let all = bufs
            .iter()
            .fold(0, |all: usize, buf| all.saturating_add(buf.len()));
        let len = all.min(MAX_WRITE);
        let mut room = len;
        let parts = bufs.iter().map(|buf| {
            let part = at_most(buf, room);
            room = room.saturating_sub(part.len());
            part
        });
        if len > 0 {
            self.append(OpCode::Data(Data::Binary), parts, len)?;
            self.unflushed = true;
            // At once, so that a message does not wait for a flush. What does not fit waits for the next call, or a read.
            if let Poll::Ready(written) = self.poll_drain() {
                written?;
            }
        }
        Poll::Ready(Ok(len))
    }

    pub(in super::super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx))?;
        let cx = &mut self.wakers.context();
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.unflushed &= flushed.is_pending();
        flushed
    }

    pub(in super::super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.ended = true;
        if let Some(End::Closed(code)) = self.end {
            self.close(&code.echo());
        }
        self.poll_finish()
    }

    /// Writes all that waits, as long as the peer allows.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wakers.keep_writer(cx);
        if let Some(last_call) = &mut self.last_call
            && last_call.as_mut().poll(cx).is_ready()
        {
            self.last_call = None;
            self.give_up();
            let reason = "still writing long after reading has ended";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
        }
        self.poll_drain()
    }

    /// Writes `out`, then the pong. Wakes reader and writer alike, since either may have to go on.
    pub(super) fn poll_drain(&mut self) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            while !self.out.is_empty() {
                let cx = &mut self.wakers.context();
                let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(cx, &self.out) else {
                    if self.out.len() <= spare::SMALL {
                        spare::settle(&mut self.out);
                    }
                    return Poll::Pending;
                };
                match written {
                    Ok(0) => {
                        self.give_up();
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    Ok(written) => self.out.advance(written),
                    Err(error) => {
                        self.give_up();
                        return Poll::Ready(Err(error));
                    }
                }
            }
            match self.pong.take() {
                Some(payload) => {
                    self.unflushed = true;
                    let opcode = OpCode::Control(Control::Pong);
                    self.append(opcode, [&payload[..]], payload.len())?;
                }
                None => break,
            }
        }
        spare::give(&mut self.out);
        Poll::Ready(Ok(()))
    }

    fn give_up(&mut self) {
        self.broken = true;
        self.pong = None;
        spare::give(&mut self.out);
    }
}
