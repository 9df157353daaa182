//! A transport whose other end is the test.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use super::*;

#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// What the stream will read, in the pieces in which it arrives.
    pub(super) incoming: VecDeque<Vec<u8>>,
    /// Whether an end comes behind that.
    pub(super) is_ended: bool,
    /// What the stream has written, in its writes.
    pub(super) writes: Vec<Vec<u8>>,
    /// So many bytes more are taken.
    pub(super) room: usize,
    /// Whether it takes nothing more, and does not say so.
    pub(super) is_stuck: bool,
    pub(super) flushes: usize,
    pub(super) shutdowns: usize,
    pub(super) reads: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    /// One that takes all.
    pub(super) fn new() -> Self {
        let wire = Self::default();
        wire.state().room = usize::MAX;
        wire
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn arrive(&self, bytes: impl Into<Vec<u8>>) {
        let mut state = self.state();
        state.incoming.push_back(bytes.into());
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn end(&self) {
        self.state().is_ended = true;
    }

    pub(super) fn make_room(&self, room: usize) {
        let mut state = self.state();
        state.room = room;
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }

    pub(super) fn flushes_and_shutdowns(&self) -> (usize, usize) {
        let state = self.state();
        (state.flushes, state.shutdowns)
    }

    pub(super) fn written(&self) -> Vec<u8> {
        self.state().writes.concat()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.reads += 1;
        match state.incoming.pop_front() {
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    state.incoming.push_front(rest);
                }
                Poll::Ready(Ok(()))
            }
            None if state.is_ended => Poll::Ready(Ok(())),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.is_stuck {
            return Poll::Ready(Ok(0));
        }
        let count = buf.len().min(state.room);
        if count == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.room -= count;
        state.writes.push(buf[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().shutdowns += 1;
        Poll::Ready(Ok(()))
    }
}
