//! A transport whose other end is the test.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use super::*;

#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    /// What the stream will read.
    pub(super) incoming: VecDeque<u8>,
    /// Whether an end comes behind that.
    pub(super) is_ended: bool,
    /// What the stream has written.
    pub(super) written: Vec<u8>,
    /// So many bytes more are taken.
    pub(super) room: usize,
    pub(super) flushes: usize,
    pub(super) shutdowns: usize,
    pub(super) reads: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    /// One that takes `room` bytes.
    pub(super) fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            incoming: VecDeque::new(),
            is_ended: false,
            written: Vec::new(),
            room,
            flushes: 0,
            shutdowns: 0,
            reads: 0,
            reader: None,
            writer: None,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn arrive(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.incoming.extend(bytes);
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
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.reads += 1;
        let count = state.incoming.len().min(buf.remaining());
        if count == 0 && !state.is_ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes: Vec<_> = state.incoming.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let count = buf.len().min(state.room);
        if count == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.room -= count;
        state.written.extend_from_slice(&buf[..count]);
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
