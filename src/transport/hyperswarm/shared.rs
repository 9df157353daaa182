//! What a connection's stream and its pumps have in common.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use tokio::sync::Notify;

use super::{admission::Ticket, raw::Moved};
use crate::{fits::at_most, lock::lock};

/// The stream's side. A drop ends our direction, and forgets what was not read.
pub(super) struct Handle(Arc<Shared>);

/// Both sides.
pub(super) struct Shared {
    state: Mutex<State>,
    /// For the pump that writes.
    pub(super) work: Notify,
    /// Once the stream is dropped or the connection cut.
    gone: Notify,
    /// Once something was read.
    room: Notify,
    /// The connection's place, until it is over.
    ticket: Mutex<Option<Ticket>>,
}

#[derive(Default)]
struct State {
    incoming: VecDeque<Vec<u8>>,
    /// How much of the first message was read.
    position: usize,
    undelivered: usize,
    /// How the peer's direction ended, told when all of `incoming` is read.
    incoming_end: Option<Result<(), Failure>>,
    reader: Option<Waker>,
    outgoing: VecDeque<Vec<u8>>,
    /// How many bytes those are.
    unwritten: usize,
    /// We want to end our direction.
    ends: bool,
    /// How that went, or why we cannot write.
    outgoing_end: Option<Result<(), Failure>>,
    writers: Vec<Waker>,
    dropped: bool,
    cut: bool,
}

/// An error that can be told again.
pub(super) type Failure = (io::ErrorKind, &'static str);

/// What the writing pump is to do.
pub(super) enum Task {
    Write(Vec<u8>),
    End,
    Cut,
}

/// How many bytes wait to be written before a writer waits.
pub(super) const MAX_OUTGOING: usize = 256 * 1024;

/// How many bytes wait to be read before the peer waits.
pub(super) const MAX_INCOMING: usize = 256 * 1024;

/// How many bytes of a stream go into one message.
pub(super) const MAX_CHUNK: usize = 64 * 1024;

impl Handle {
    pub(super) fn new() -> (Self, Arc<Shared>) {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Notify::new(),
            gone: Notify::new(),
            room: Notify::new(),
            ticket: Mutex::default(),
        });
        (Self(shared.clone()), shared)
    }

    /// Gives bytes that came to `take`, which says how many it took, until it takes none or there are no more. Ready when it
    /// took some, or at the end.
    pub(super) fn poll_bytes(
        &self,
        cx: &Context<'_>,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<()>> {
        let state = &mut *self.0.lock();
        let mut any = false;
        while let Some(message) = state.incoming.front() {
            let rest = message.get(state.position..).unwrap_or_default();
            let count = take(rest);
            let is_whole = count == rest.len();
            any |= count > 0;
            state.position = state.position.saturating_add(count);
            state.undelivered = state.undelivered.saturating_sub(count);
            if !is_whole {
                break;
            }
            state.incoming.pop_front();
            state.position = 0;
        }
        if any || !state.incoming.is_empty() {
            self.0.room.notify_one();
            return Poll::Ready(Ok(()));
        }
        state.poll_end(cx)
    }

    /// The next message that came, or what is left of it. None at the end.
    pub(super) fn poll_message(&self, cx: &Context<'_>) -> Poll<Option<io::Result<Vec<u8>>>> {
        let state = &mut *self.0.lock();
        if let Some(mut message) = state.incoming.pop_front() {
            message.drain(..std::mem::take(&mut state.position));
            state.undelivered = state.undelivered.saturating_sub(message.len());
            self.0.room.notify_one();
            return Poll::Ready(Some(Ok(message)));
        }
        state.poll_end(cx).map(|end| end.err().map(Err))
    }

    /// Ready when something can be written.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.check_writable()?;
        if state.unwritten >= MAX_OUTGOING {
            state.wait_to_write(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes bytes to be written, in messages of any borders, and says how many it took.
    pub(super) fn write_bytes(&self, bytes: &[u8]) -> usize {
        let mut state = self.0.lock();
        let bytes = at_most(bytes, MAX_OUTGOING.saturating_sub(state.unwritten));
        let mut rest = bytes;
        while !rest.is_empty() {
            if state.outgoing.back().is_none_or(|m| m.len() >= MAX_CHUNK) {
                state.outgoing.push_back(Vec::new());
            }
            let Some(last) = state.outgoing.back_mut() else {
                break;
            };
            let room = MAX_CHUNK.saturating_sub(last.len());
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            last.extend_from_slice(now);
            rest = later;
        }
        state.unwritten = state.unwritten.saturating_add(bytes.len());
        drop(state);
        self.0.work.notify_one();
        bytes.len()
    }

    /// Takes a message to be written.
    pub(super) fn write_message(&self, message: Vec<u8>) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check_writable()?;
        state.unwritten = state.unwritten.saturating_add(message.len());
        state.outgoing.push_back(message);
        drop(state);
        self.0.work.notify_one();
        Ok(())
    }

    /// Ready when the pump has taken all that was written.
    pub(super) fn poll_flush(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        match state.outgoing_end {
            Some(Err(failure)) => Poll::Ready(Err(failure.into_error())),
            _ if state.outgoing.is_empty() => Poll::Ready(Ok(())),
            _ => {
                state.wait_to_write(cx);
                Poll::Pending
            }
        }
    }

    /// Ends our direction. Ready when the peer has acknowledged that.
    pub(super) fn poll_shutdown(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.ends = true;
        match state.outgoing_end {
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(failure)) => Poll::Ready(Err(failure.into_error())),
            None => {
                state.wait_to_write(cx);
                drop(state);
                self.0.work.notify_one();
                Poll::Pending
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.dropped = true;
        state.incoming.clear();
        state.undelivered = 0;
        drop(state);
        self.0.release();
        self.0.room.notify_one();
        self.0.work.notify_one();
        self.0.gone.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Keeps the connection's place until it is dropped or lost.
    pub(super) fn hold(&self, ticket: Ticket) {
        *lock(&self.ticket) = Some(ticket);
    }

    /// The connection is made.
    pub(super) fn connected(&self, moved: &Arc<Moved>) {
        if let Some(ticket) = &*lock(&self.ticket) {
            ticket.connected(moved);
        }
    }

    /// Gives the connection's place free.
    pub(super) fn release(&self) {
        let ticket = lock(&self.ticket).take();
        drop(ticket);
    }

    /// Takes a message that came, when there is room for it.
    pub(super) async fn deliver(&self, message: Vec<u8>) {
        while !self.has_room(message.len()) {
            self.room.notified().await;
        }
        let mut state = self.lock();
        if state.dropped || state.cut || message.is_empty() {
            return;
        }
        state.undelivered = state.undelivered.saturating_add(message.len());
        state.incoming.push_back(message);
        wake(&mut state.reader);
    }

    /// A message that is too long by itself comes alone. Where nobody reads all is taken, and dropped.
    fn has_room(&self, length: usize) -> bool {
        let state = self.lock();
        let is_over = state.dropped || state.cut;
        let undelivered = state.undelivered.saturating_add(length);
        is_over || state.undelivered == 0 || undelivered <= MAX_INCOMING
    }

    /// The peer's direction has ended.
    pub(super) fn end_incoming(&self, end: Result<(), Failure>) {
        let mut state = self.lock();
        state.incoming_end.get_or_insert(end);
        wake(&mut state.reader);
    }

    /// Resolves once the connection is cut. Cancel safe.
    pub(super) async fn is_cut(&self) {
        while !self.lock().cut {
            self.gone.notified().await;
        }
    }

    /// Resolves once the stream is dropped or cut. Cancel safe.
    pub(super) async fn is_gone(&self) {
        while !self.is_over() {
            self.gone.notified().await;
        }
    }

    fn is_over(&self) -> bool {
        let state = self.lock();
        state.dropped || state.cut
    }

    /// Whether the peer's direction has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().incoming_end.is_some()
    }

    /// Our direction has ended.
    pub(super) fn end_outgoing(&self, end: Result<(), Failure>) {
        let mut state = self.lock();
        state.outgoing_end.get_or_insert(end);
        state.writers.drain(..).for_each(Waker::wake);
    }

    /// The connection is lost in both directions.
    pub(super) fn fail(&self, failure: Failure) {
        self.end_incoming(Err(failure));
        self.end_outgoing(Err(failure));
    }

    /// Asks the pumps to end the connection at once.
    pub(super) fn cut(&self, failure: Failure) {
        self.fail(failure);
        self.lock().cut = true;
        self.room.notify_one();
        self.work.notify_one();
        self.gone.notify_one();
    }

    /// What to do next, if anything.
    pub(super) fn task(&self) -> Option<Task> {
        let mut state = self.lock();
        if state.cut {
            return Some(Task::Cut);
        }
        let Some(message) = state.outgoing.pop_front() else {
            return (state.ends || state.dropped).then_some(Task::End);
        };
        state.unwritten = state.unwritten.saturating_sub(message.len());
        state.writers.drain(..).for_each(Waker::wake);
        Some(Task::Write(message))
    }
}

impl State {
    fn poll_end(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.incoming_end {
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(failure)) => Poll::Ready(Err(failure.into_error())),
            None => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.outgoing_end {
            Some(Err(failure)) => Err(failure.into_error()),
            _ if self.ends => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }

    fn wait_to_write(&mut self, cx: &Context<'_>) {
        if !self.writers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.writers.push(cx.waker().clone());
        }
    }
}

trait IntoError {
    fn into_error(self) -> io::Error;
}

impl IntoError for Failure {
    fn into_error(self) -> io::Error {
        io::Error::new(self.0, self.1)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
