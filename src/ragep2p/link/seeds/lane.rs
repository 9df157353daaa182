//! What one side says on a stream, and what the other may hear of it.

use std::{
    cell::{Cell, RefCell},
    fmt,
    sync::Arc,
};

use fastrand::Rng;
use tokio::time::Instant;
use tower_multiserver_core::testing::Side;

use super::id;
use crate::ragep2p::{HostHandle, Limits, Priority, RateLimit, Stream, registry::Registry};

/// What one side says on the streams of a name, however often they are opened.
pub(super) struct Lane {
    pub(super) number: usize,
    pub(super) from: Side,
    priority: Priority,
    /// Those at first, and others.
    pub(super) limits: [Limits; 2],
    /// How many messages are said over each connection.
    count: u64,
    /// What either side has of it.
    pub(super) streams: [RefCell<Option<Stream>>; 2],
    pub(super) said: Cell<u64>,
    /// Before this connection.
    said_before: Cell<u64>,
    /// How many will have been said when it ends.
    pub(super) until: Cell<u64>,
    /// One more than the number of the last that was heard.
    pub(super) heard: Cell<u64>,
    pub(super) is_over: Cell<bool>,
    /// When the listener opened it, and how many messages and bytes it has taken since.
    opened: Cell<Instant>,
    taken: Cell<(u64, u64)>,
}

impl Lane {
    pub(super) fn draw(number: usize, is_tight: bool, rng: &mut Rng) -> Self {
        let max_message = 100 << rng.u32(..9);
        let mut limits = || match is_tight {
            true => tight(max_message, rng),
            false => wide(max_message, rng),
        };
        Self {
            number,
            limits: [limits(), limits()],
            from: Side::BOTH[number % 2],
            priority: rng.choice([Priority::Low, Priority::Default]).unwrap(),
            count: rng.u64(..30),
            streams: Default::default(),
            said: Cell::default(),
            said_before: Cell::default(),
            until: Cell::default(),
            heard: Cell::default(),
            is_over: Cell::default(),
            opened: Cell::new(Instant::now()),
            taken: Cell::default(),
        }
    }

    /// About how many are said over a connection.
    pub(super) fn bytes(&self) -> usize {
        self.count as usize * (100 + self.limits[0].max_message / 8)
    }

    /// Opens it where it is closed. More will be said.
    pub(super) fn open(&self, hosts: &[Arc<Registry>; 2]) {
        self.said_before.set(self.said.get());
        self.until.set(self.said.get() + self.count);
        self.is_over.set(false);
        for side in Side::BOTH {
            let mut stream = self.streams[side as usize].borrow_mut();
            if stream.is_some() {
                continue;
            }
            let host = HostHandle::new(hosts[side as usize].clone());
            let opened = host.stream(id(side.other()), self.number.to_string());
            let opened = opened.limits(self.limits[0]).priority(self.priority);
            *stream = Some(opened.open().expect("it was closed"));
            if side != self.from {
                self.opened.set(Instant::now());
                self.taken.set((0, 0));
            }
        }
    }

    /// The message of this number: short, or as long as may be.
    pub(super) fn message(&self, number: u64) -> Vec<u8> {
        let mut rng = Rng::with_seed(number);
        let len = match rng.u8(..8) {
            0 => self.limits[0].max_message,
            _ => rng.usize(8..=100),
        };
        let mut message = number.to_be_bytes().to_vec();
        message.extend((8..len).map(|_| rng.u8(..)));
        message
    }

    /// Checks that it is one that was said, later than those before; and the next of this connection, or as many as the
    /// limits let in.
    pub(super) fn hear(&self, message: &[u8], is_tight: bool) {
        let number = message.first_chunk().map(|it| u64::from_be_bytes(*it));
        let number = number.expect("a number");
        assert!(message == self.message(number), "{number}: {self:?}");
        assert!(number < self.said.get(), "{number} was not said: {self:?}");
        assert!(number >= self.heard.get(), "{number} is late: {self:?}");
        if !is_tight && number > self.said_before.get() {
            assert_eq!(number, self.heard.get(), "it is not the next: {self:?}");
        }
        self.heard.set(number + 1);
        let (messages, bytes) = self.taken.get();
        let (messages, bytes) = (messages + 1, bytes + message.len() as u64);
        self.taken.set((messages, bytes));
        self.check(messages, |limits| limits.messages);
        self.check(bytes, |limits| limits.bytes);
    }

    fn check(&self, taken: u64, limit: impl Fn(&Limits) -> RateLimit) {
        let seconds = self.opened.get().elapsed().as_secs_f64();
        let limits = self.limits.each_ref().map(limit);
        let rate = f64::max(limits[0].rate, limits[1].rate);
        let capacity = limits[0].capacity.max(limits[1].capacity);
        let most = rate * seconds + f64::from(capacity);
        assert!(taken as f64 <= most, "{taken} of {most}: {self:?}");
    }

    /// How many may wait for the listener.
    pub(super) fn most_waiting(&self) -> usize {
        self.limits[0].incoming.max(self.limits[1].incoming)
    }
}

/// Those that nothing exceeds, and a speaker that has to wait.
fn wide(max_message: usize, rng: &mut Rng) -> Limits {
    Limits {
        outgoing: rng.usize(1..10),
        incoming: 1000,
        max_message,
        messages: RateLimit::new(0.0, 1000),
        bytes: RateLimit::new(0.0, u32::MAX),
    }
}

/// Those that are often exceeded.
fn tight(max_message: usize, rng: &mut Rng) -> Limits {
    Limits {
        outgoing: rng.usize(1..5),
        incoming: rng.usize(1..5),
        max_message,
        messages: RateLimit::new(f64::from(rng.u32(1..5)), rng.u32(1..10)),
        bytes: RateLimit::new(max_message as f64, 2 * max_message as u32),
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (said, heard) = (self.said.get(), self.heard.get());
        write!(
            f,
            "{}: {heard} of {said} and {}",
            self.number,
            self.until.get()
        )
    }
}
