//! A transport in memory that gives and takes as its seed says, and fails where a test wants it to.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use fastrand::Rng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::plan::size;

/// Which end of a [`Wire`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one who dials.
    Dialer,
    /// The one who accepts.
    Acceptor,
}

impl Side {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Dialer, Self::Acceptor];

    /// The one at the other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// How a [`Wire`] treats the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// So many bytes are on their way at most.
    pub capacity: usize,
    /// So many bytes at most are taken or given in one call.
    pub piece: usize,
    /// So many calls of 256 are put off, though they could have been answered.
    pub stalls: u8,
    /// Whether the other end sees nothing before a flush.
    pub waits_for_flush: bool,
    /// Whether an end ends one direction only.
    pub half_close: bool,
}

impl Manner {
    /// The one that is in nobody's way.
    pub const SMOOTH: Self = Self {
        capacity: 1 << 20,
        piece: 1 << 20,
        stalls: 0,
        waits_for_flush: false,
        half_close: true,
    };

    /// One that `rng` draws: narrow pipes, pieces of a byte and much else, but no less than `least` bytes.
    pub fn draw(rng: &mut Rng, least: usize) -> Self {
        Self {
            capacity: (size(rng, 13) as usize).max(least),
            piece: (size(rng, 13) as usize).max(least),
            stalls: rng.choice([0, 64, 200]).unwrap_or(0),
            waits_for_flush: rng.u8(..4) == 0,
            half_close: rng.bool(),
        }
    }
}

/// What goes wrong with what one side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The stream ends behind so many bytes. Later ones are lost.
    Cut(u64),
    /// This bit of this byte is flipped.
    Flip {
        /// Which byte, from 0.
        byte: u64,
        /// Which of its bits.
        bit: u8,
    },
}

/// One end of a transport in memory. A drop ends it without more.
#[derive(Debug)]
pub struct Wire {
    state: Arc<Mutex<State>>,
    side: Side,
}

/// What went over a [`Wire`].
#[derive(Clone, Debug)]
pub struct Tap(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    manner: Manner,
    rng: Rng,
    /// What the dialer sends, and what the acceptor does.
    lanes: [Lane; 2],
    /// It was torn apart: nothing is read or written any more.
    is_cut: bool,
    /// Nothing arrives, not even the end.
    is_held: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// What the other end can read.
    bytes: VecDeque<u8>,
    /// What waits for a flush.
    held: VecDeque<u8>,
    /// So much was taken from the sender.
    taken: u64,
    fault: Option<Fault>,
    /// All that was taken, where a test wants it.
    record: Option<Vec<u8>>,
    has_struck: bool,
    is_ended: bool,
    /// Nobody will read it any more.
    is_deaf: bool,
    /// Its sender was dropped.
    is_dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    /// The end of the dialer and that of the acceptor.
    pub fn pair(manner: Manner, seed: u64) -> (Self, Self, Tap) {
        let state = Arc::new(Mutex::new(State {
            manner,
            rng: Rng::with_seed(seed),
            lanes: Default::default(),
            is_cut: false,
            is_held: false,
        }));
        let [dialer, acceptor] = Side::BOTH.map(|side| Self {
            state: state.clone(),
            side,
        });
        (dialer, acceptor, Tap(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Tap {
    /// Lets `fault` happen to what `side` sends.
    pub fn set_fault(&self, side: Side, fault: Fault) {
        lock(&self.0).lanes[side as usize].fault = Some(fault);
    }

    /// Lets no fault happen any more that has not yet.
    pub fn clear_faults(&self) {
        for lane in &mut lock(&self.0).lanes {
            if !lane.has_struck && !lane.is_cut() {
                lane.fault = None;
            }
        }
    }

    /// Resets both ends at once. What was on its way is lost.
    pub fn cut(&self) {
        let mut state = lock(&self.0);
        state.is_cut = true;
        state.is_held = false;
        state.wake();
    }

    /// Lets nothing arrive from now on, or lets it arrive again. What is sent meanwhile waits, as far as there is room.
    pub fn hold(&self, holds: bool) {
        let mut state = lock(&self.0);
        state.is_held = holds;
        if !holds {
            state.wake();
        }
    }

    /// Whether an end is still there, though it may know of no other.
    pub fn is_alive(&self) -> bool {
        lock(&self.0).lanes.iter().any(|lane| !lane.is_dropped)
    }

    /// Keeps all that `side` sends.
    pub fn record(&self, side: Side) {
        lock(&self.0).lanes[side as usize].record = Some(Vec::new());
    }

    /// What `side` has sent since it is [recorded](Self::record).
    pub fn recorded(&self, side: Side) -> Vec<u8> {
        let record = &lock(&self.0).lanes[side as usize].record;
        record.clone().unwrap_or_default()
    }

    /// So many bytes `side` has sent.
    pub fn sent(&self, side: Side) -> u64 {
        lock(&self.0).lanes[side as usize].taken
    }

    /// Whether the fault of what `side` sends has happened to a byte.
    pub fn has_struck(&self, side: Side) -> bool {
        lock(&self.0).lanes[side as usize].has_struck
    }
}

impl State {
    /// Whether this call is put off, which could be answered: one that could not would be made again and again, and time
    /// stand still. Who called is woken at once.
    fn stalls(&mut self, cx: &Context<'_>) -> bool {
        let stalls = self.rng.u8(..) < self.manner.stalls;
        if stalls {
            cx.waker().wake_by_ref();
        }
        stalls
    }

    /// What a cut does to each call.
    fn check(&self) -> io::Result<()> {
        match self.is_cut {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }

    fn wake(&mut self) {
        for lane in &mut self.lanes {
            wake(&mut lane.reader);
            wake(&mut lane.writer);
        }
    }

    fn piece(&mut self, most: usize) -> usize {
        match most.min(self.manner.piece) {
            0 => 0,
            most => self.rng.usize(1..=most),
        }
    }

    /// Ends what `side` sends, and both directions where there is no half-close.
    fn end(&mut self, side: Side) {
        self.lanes[side as usize].end();
        if !self.manner.half_close {
            let lane = &mut self.lanes[side.other() as usize];
            lane.end();
            lane.bytes.clear();
            lane.is_deaf = true;
        }
    }
}

impl Lane {
    fn take(&mut self, bytes: &[u8], waits_for_flush: bool) {
        if let Some(record) = &mut self.record {
            record.extend_from_slice(bytes);
        }
        for byte in bytes {
            let mut byte = *byte;
            let at = self.taken;
            self.taken += 1;
            match self.fault {
                Some(Fault::Cut(end)) if at >= end => {
                    self.has_struck = true;
                    continue;
                }
                Some(Fault::Flip { byte: place, bit }) if at == place => {
                    self.has_struck = true;
                    byte ^= 1 << bit;
                }
                _ => {}
            }
            self.held.push_back(byte);
        }
        // The other end sees the cut as soon as it can.
        if self.is_cut() || !waits_for_flush {
            self.flush();
            wake(&mut self.reader);
        }
    }

    fn is_cut(&self) -> bool {
        matches!(self.fault, Some(Fault::Cut(end)) if self.taken >= end)
    }

    /// Wakes who reads where there is more to read: two that fill the pipes to each other would wake each other for ever.
    fn flush(&mut self) {
        if !self.held.is_empty() {
            self.bytes.append(&mut self.held);
            wake(&mut self.reader);
        }
    }

    fn end(&mut self) {
        self.flush();
        self.is_ended = true;
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.check()?;
        let from = self.side.other() as usize;
        if state.is_held {
            state.lanes[from].reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let ready = state.lanes[from].bytes.len().min(buf.remaining());
        let count = state.piece(ready);
        let lane = &mut state.lanes[from];
        if count == 0 && !lane.is_ended && !lane.is_cut() && buf.remaining() > 0 {
            lane.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.stalls(cx) {
            return Poll::Pending;
        }
        let lane = &mut state.lanes[from];
        for byte in lane.bytes.drain(..count) {
            buf.put_slice(&[byte]);
        }
        wake(&mut lane.writer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        state.check()?;
        let Manner {
            capacity,
            waits_for_flush,
            ..
        } = state.manner;
        let lane = &mut state.lanes[self.side as usize];
        if lane.is_ended || lane.is_deaf {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // A wire that holds back until a flush must not be full of what nobody may see.
        if lane.bytes.len() + lane.held.len() >= capacity {
            lane.flush();
        }
        let room = capacity.saturating_sub(lane.bytes.len() + lane.held.len());
        let count = state.piece(room.min(bytes.len()));
        if count == 0 && !bytes.is_empty() {
            state.lanes[self.side as usize].writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.stalls(cx) {
            return Poll::Pending;
        }
        let lane = &mut state.lanes[self.side as usize];
        lane.take(&bytes[..count], waits_for_flush);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.stalls(cx) {
            return Poll::Pending;
        }
        state.check()?;
        state.lanes[self.side as usize].flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.stalls(cx) {
            return Poll::Pending;
        }
        state.check()?;
        state.end(self.side);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut state = self.state();
        // What was not flushed is lost, as in a program that buffers.
        let own = &mut state.lanes[self.side as usize];
        own.held.clear();
        own.is_dropped = true;
        own.end();
        let lane = &mut state.lanes[self.side.other() as usize];
        lane.is_deaf = true;
        wake(&mut lane.writer);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
