//! The byte stream of a connection.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use super::{admission::Ticket, raw::Moved};
use crate::lock::lock;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// A connection of Hyperswarm as a stream of bytes; the borders of its messages mean nothing.
///
/// A shutdown ends our direction once the peer has acknowledged all that was written. A drop does the same, then cuts
/// the connection if the peer has not ended within a second. A peer that destroys it makes both directions fail.
///
/// A flush says that all was handed to UDX, not that it was acknowledged.
pub struct HyperIo(Arc<Shared>);

/// What the stream and its pumps have in common.
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
    outgoing: Vec<u8>,
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
const MAX_OUTGOING: usize = 256 * 1024;

/// How many bytes wait to be read before the peer waits.
const MAX_INCOMING: usize = 256 * 1024;

/// How much goes into one frame.
const MAX_FRAME: usize = 64 * 1024;

impl HyperIo {
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
        state.undelivered += message.len();
        state.incoming.push_back(message);
        wake(&mut state.reader);
    }

    /// A message that is too long by itself comes alone. Where nobody reads all is taken, and dropped.
    fn has_room(&self, length: usize) -> bool {
        let state = self.lock();
        let is_over = state.dropped || state.cut;
        is_over || state.undelivered == 0 || state.undelivered + length <= MAX_INCOMING
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
        if state.outgoing.is_empty() {
            return (state.ends || state.dropped).then_some(Task::End);
        }
        let length = state.outgoing.len().min(MAX_FRAME);
        let frame = state.outgoing.drain(..length).collect();
        state.writers.drain(..).for_each(Waker::wake);
        Some(Task::Write(frame))
    }
}

impl State {
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

impl AsyncRead for HyperIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        let state = &mut *state;
        let before = buf.filled().len();
        while let Some(message) = state.incoming.front() {
            let rest = &message[state.position..];
            let count = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..count]);
            let is_empty = count == rest.len();
            state.position += count;
            state.undelivered -= count;
            self.0.room.notify_one();
            if !is_empty {
                return Poll::Ready(Ok(()));
            }
            state.incoming.pop_front();
            state.position = 0;
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        if buf.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        match state.incoming_end {
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(failure)) => Poll::Ready(Err(failure.into_error())),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for HyperIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        state.check_writable()?;
        let room = MAX_OUTGOING - state.outgoing.len();
        if room == 0 && !buf.is_empty() {
            state.wait_to_write(cx);
            return Poll::Pending;
        }
        let count = room.min(buf.len());
        state.outgoing.extend_from_slice(&buf[..count]);
        drop(state);
        self.0.work.notify_one();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

impl Drop for HyperIo {
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

impl fmt::Debug for HyperIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperIo").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_test::{assert_pending, assert_ready_ok, task};

    use super::*;

    #[tokio::test]
    async fn messages_are_read_as_bytes_and_the_end_comes_behind_them() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(b"hel".to_vec()).await;
        shared.deliver(b"lo".to_vec()).await;
        shared.end_incoming(Ok(()));
        let mut text = String::new();
        io.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn the_peer_waits_while_nobody_reads() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(vec![1; MAX_INCOMING]).await;
        let mut delivering = task::spawn(shared.deliver(vec![2; 4]));
        assert_pending!(delivering.poll());
        io.read_exact(&mut [0; 4]).await.unwrap();
        assert!(delivering.is_woken());
        assert_eq!(delivering.poll(), Poll::Ready(()));
    }

    #[tokio::test]
    async fn an_error_is_told_behind_what_came_before_and_again() {
        let (mut io, shared) = HyperIo::new();
        shared.deliver(b"x".to_vec()).await;
        shared.fail((io::ErrorKind::ConnectionReset, "gone"));
        assert_eq!(io.read_u8().await.unwrap(), b'x');
        for _ in 0..2 {
            let error = io.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        let error = io.write_all(b"y").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_writer_waits_while_the_pump_does_not_take() {
        let (mut io, shared) = HyperIo::new();
        let big = vec![0; MAX_OUTGOING];
        assert_ready_ok!(task::spawn(io.write_all(&big)).poll());
        let mut writing = task::spawn(io.write_all(b"more"));
        assert_pending!(writing.poll());
        let Some(Task::Write(frame)) = shared.task() else {
            panic!("nothing to write");
        };
        assert_eq!(frame.len(), MAX_FRAME);
        assert!(writing.is_woken());
        assert_ready_ok!(writing.poll());
    }

    #[test]
    fn a_drop_ends_our_direction_behind_what_was_written() {
        let (mut io, shared) = HyperIo::new();
        assert_ready_ok!(task::spawn(io.write_all(b"last")).poll());
        drop(io);
        assert!(matches!(shared.task(), Some(Task::Write(frame)) if frame == b"last"));
        assert!(matches!(shared.task(), Some(Task::End)));
    }

    #[test]
    fn a_write_behind_a_shutdown_is_a_broken_pipe() {
        let (mut io, shared) = HyperIo::new();
        assert_pending!(task::spawn(io.shutdown()).poll());
        shared.end_outgoing(Ok(()));
        assert_ready_ok!(task::spawn(io.shutdown()).poll());
        let written = task::spawn(io.write_all(b"x")).poll();
        let Poll::Ready(Err(error)) = written else {
            panic!("{written:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
