//! Reading: payload as it arrives, and what stands between it.

use std::{
    future::Future as _,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _};
use tokio::{
    io::{AsyncReadExt as _, ReadBuf},
    task::coop,
    time::sleep,
};
use tower_multiserver_core::Io;

use super::{
    super::{
        decode::Event,
        spare,
        violation::{CloseCode, Violation},
    },
    End, Stream,
};
use crate::fits::{at_most, read_into};

/// A read buffer is of this size at first, so that thousands of quiet peers cost little, doubles up to
/// [`MAX_READ`] as long as reads fill it, and is given back when there is nothing to read.
pub(super) const MIN_READ: usize = 512;
const MAX_READ: usize = 64 * 1024;

/// So much or more of a frame is read into the caller's buffer directly, where there is room for it.
const MIN_DIRECT: usize = 4 * 1024;

/// How long we may go on writing after the peer's close frame, or its breach of the protocol: as long as the JavaScript
/// implementation waits for ours.
const LAST_CALL: Duration = Duration::from_secs(30);

impl<I: Io> Stream<I> {
    pub(in super::super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll_payload(cx, buf);
        if self.input.is_empty() {
            spare::give(&mut self.input);
        }
        if self.pong.is_some() || self.unflushed || self.closed {
            // What fails here, the next write tells.
            self.wakers.keep_reader(cx);
            let _ = self.poll_finish();
        }
        read
    }

    /// Hands on all the payload that is here, and waits only when there is none.
    fn poll_payload(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            let got = buf.filled().len();
            let waits = if let Some(end) = self.end {
                return match got > before {
                    true => Poll::Ready(Ok(())),
                    false => Poll::Ready(end.result()),
                };
            } else if self.decoder.left() == 0 {
                match self.decoder.next(&mut self.input) {
                    Ok(None) => true,
                    Ok(Some(event)) => {
                        self.on_event(event);
                        match coop::poll_proceed(cx) {
                            Poll::Ready(coop) => coop.made_progress(),
                            Poll::Pending if got > before => break,
                            Poll::Pending => return Poll::Pending,
                        }
                        false
                    }
                    Err(violation) => {
                        self.fail(violation);
                        false
                    }
                }
            } else if self.input.is_empty() {
                true
            } else {
                let count = read_into(buf, at_most(&self.input, self.left()));
                self.input.advance(count);
                let (_, payload) = buf.filled_mut().split_at_mut(got);
                self.decoder.payload(payload);
                self.patience.renew();
                false
            };
            if waits && got > before {
                break;
            }
            let direct = buf.remaining().min(self.left());
            if waits && direct >= MIN_DIRECT {
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(direct));
                ready!(Pin::new(&mut self.io).poll_read(cx, &mut part))?;
                let payload = part.filled_mut();
                match payload.is_empty() {
                    true => self.end = Some(End::Truncated),
                    false => self.decoder.payload(payload),
                }
                let count = payload.len();
                buf.advance(count);
                self.patience.renew();
                // What comes behind such a frame is the header of another.
                self.read_size = MIN_READ;
            } else if waits && ready!(self.poll_fill(cx))? == 0 {
                self.end = Some(End::Truncated);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// How much of the frame is still to come.
    fn left(&self) -> usize {
        usize::try_from(self.decoder.left()).unwrap_or(usize::MAX)
    }

    /// Reads what there is into the buffer.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() == 0 {
            self.input = spare::take(self.read_size);
        }
        // No more than that, though a spare buffer has more room: what is behind a header may be read past the buffer.
        self.input.reserve(self.read_size);
        let input = &mut (&mut self.input).limit(self.read_size);
        let Poll::Ready(read) = pin!(self.io.read_buf(input)).poll(cx) else {
            // At most a header, or a control frame.
            spare::settle(&mut self.input);
            return Poll::Pending;
        };
        let read = read?;
        if read >= self.read_size {
            self.read_size = self.read_size.saturating_mul(2).min(MAX_READ);
        } else if read < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(MIN_READ);
        }
        Poll::Ready(Ok(read))
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Data => return,
            Event::Nothing => {}
            Event::Ping(payload) => self.pong = Some(payload).filter(|_| !self.closed),
            Event::Close(code) => return self.on_close(code),
        }
        if let Err(violation) = self.patience.spend() {
            self.fail(violation);
        }
    }

    fn on_close(&mut self, code: CloseCode) {
        let aborted = code.aborted();
        self.end_reading(aborted.map_or(End::Closed(code), End::Aborted));
        if self.ended || aborted.is_some() {
            self.close(&code.echo());
        }
    }

    fn fail(&mut self, violation: Violation) {
        tracing::debug!(error = %violation, "closing");
        self.end_reading(End::Violation(violation));
        self.close(&violation.code().to_be_bytes());
    }

    fn end_reading(&mut self, end: End) {
        spare::give(&mut self.input);
        self.end = Some(end);
        if !self.ended {
            self.last_call = Some(Box::pin(sleep(LAST_CALL)));
        }
        // It may be waiting for room already, without a look at the time.
        self.wakers.wake_writer();
    }
}
