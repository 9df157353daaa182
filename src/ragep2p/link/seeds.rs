//! Connections of two peers, where a seed tells who is polled next, how much the transport takes and gives at a time, which
//! calls are given up at an await, and how a connection ends.
//!
//! `MULTISERVER_SEEDS` sets how many seeds are run, `MULTISERVER_SEED` runs one alone.

#[path = "../../../tests/support/alone.rs"]
mod alone;
mod lane;
mod talk;

use std::{cell::RefCell, sync::Arc};

use fastrand::Rng;
use tower_multiserver_core::testing::{Fault, Manner, Side, Wire};

use self::{
    alone::{Course, alone, seeds_alone},
    lane::Lane,
    talk::Talk,
};
use super::*;
use crate::{
    PeerId,
    ragep2p::{RateLimit, registry::Registry, vectors},
};

/// In so many pieces all that is said goes over the wire at most.
const GRAINS: usize = 300;

/// What ends no sooner than so hangs.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn whoever_is_polled_first_messages_come_in_order_and_once_or_the_link_ends() {
    seeds_alone("ragep2p link", 300, links);
}

/// So one that fails can be looked at.
#[test]
fn a_seed_takes_the_same_course_each_time() {
    for seed in 0..20 {
        assert_eq!(alone(links(seed)), alone(links(seed)), "seed {seed}");
    }
}

/// What came of some connections, one after the other. The last has no trouble.
async fn links(seed: u64) -> (u64, u64) {
    // What the ends draw themselves: which stream is next.
    fastrand::seed(seed);
    let rng = &mut Rng::with_seed(seed);
    let case = Case::new(rng);
    for _ in 0..rng.usize(..3) {
        case.connect(Trouble::draw(rng), rng).await;
    }
    case.connect(None, rng).await;
    let mut course = case.course.borrow_mut();
    course.note("the end");
    course.summary()
}

/// What goes wrong with a connection, and with whom it begins.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// What the side sends ends behind so many bytes.
    Cut(Side, u64),
    /// The side gives its connection up at an await, after so many polls.
    Abort(Side, usize),
    /// Another connection takes its place with the side, after so many turns.
    Replace(Side, usize),
    /// The side closes its streams, after so many turns.
    Close(Side, usize),
}

impl Trouble {
    fn draw(rng: &mut Rng) -> Option<Self> {
        let side = rng.choice(Side::BOTH)?;
        let turns = size(rng, 7) as usize;
        match rng.u8(..5) {
            0 => Some(Self::Cut(side, size(rng, 13))),
            1 => Some(Self::Abort(side, turns)),
            2 => Some(Self::Replace(side, turns)),
            3 => Some(Self::Close(side, turns)),
            _ => None,
        }
    }
}

/// Less than 2^`most`, small ones as often as large ones.
fn size(rng: &mut Rng, most: u32) -> u64 {
    let most = rng.u32(..=most);
    rng.u64(..1 << most)
}

/// Two hosts.
struct Case {
    /// Whether more is said than the limits let in. If not, nothing is lost, and time stands still.
    is_tight: bool,
    hosts: [Arc<Registry>; 2],
    lanes: Vec<Lane>,
    course: RefCell<Course>,
}

fn id(side: Side) -> PeerId {
    match side {
        Side::Dialer => vectors::alice(),
        Side::Acceptor => vectors::bob(),
    }
}

impl Case {
    fn new(rng: &mut Rng) -> Self {
        let version = rng.choice([Version::V1, Version::V2]).unwrap();
        let inbound = RateLimit::new(1.0, 1);
        let is_tight = rng.u8(..4) == 0;
        let lanes = (0..rng.usize(2..6)).map(|number| Lane::draw(number, is_tight, rng));
        Self {
            is_tight,
            hosts: Side::BOTH.map(|side| Arc::new(Registry::new(id(side), version, inbound))),
            lanes: lanes.collect(),
            course: RefCell::new(Course::begin()),
        }
    }

    async fn connect(&self, trouble: Option<Trouble>, rng: &mut Rng) {
        let bytes: usize = self.lanes.iter().map(Lane::bytes).sum();
        let (near, far, tap) = Wire::pair(Manner::draw(rng, 1 + bytes / GRAINS), rng.u64(..));
        Side::BOTH.into_iter().for_each(|side| tap.record(side));
        if let Some(Trouble::Cut(side, at)) = trouble {
            tap.set_fault(side, Fault::Cut(at));
        }
        for lane in &self.lanes {
            lane.open(&self.hosts);
        }
        let began = Instant::now();
        let talk = Talk::new(self, trouble, rng);
        let ended = timeout(PATIENCE, talk.run([near, far], rng)).await;
        assert!(ended.is_ok(), "it hangs: {trouble:?}: {:?}", self.lanes);
        let is_whole = talk.is_whole.get();
        assert!(is_whole || trouble.is_some(), "it ends by itself");
        // Nothing came of a stream that was opened once more, nor of a time that ran out: all that waited was woken.
        let elapsed = began.elapsed();
        assert!(
            self.is_tight || elapsed < REPEAT_AFTER,
            "{elapsed:?}: {trouble:?}"
        );
        let bytes = Side::BOTH.map(|side| tap.recorded(side));
        self.course.borrow_mut().note(bytes);
    }
}
