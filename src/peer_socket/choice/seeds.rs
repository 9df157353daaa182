//! Two peers that dial each other, over wires that give, take and break as a seed says.

use std::cell::RefCell;

use fastrand::Rng;
use tower_multiserver_core::testing::{
    Fault, Manner, Scheduler, Side, Wire, cancelled_after, seeds,
};

use super::{
    tests::{LARGE, SMALL},
    *,
};

/// What is said before a connection is chosen, each way: the greeting, the hash's part, and one byte.
const SAID: u64 = 13 + 32 + 1;

#[tokio::test(start_paused = true)]
async fn both_ends_choose_alike_whatever_breaks() {
    seeds("choice", 300, both_ends).await;
}

async fn both_ends(seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    let sides = [Arc::default(), Arc::default()];
    // Each as seen from both ends.
    let mut kept: Vec<Ends> = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let breaks = rng.bool();
        let is_whole = matches!(kept[..], [[Some(_), Some(_)]]);
        let new = at_once(&sides, rng, breaks).await;
        // One that both have stays.
        let has_changed = new.iter().flatten().any(Option::is_some);
        assert!(!(is_whole && has_changed), "seed {seed}");
        kept.extend(new);
        if !breaks {
            judge(&mut kept, seed);
        }
        // An end that has lost its connection says so, in its own time.
        for ends in &mut kept {
            for end in ends {
                if rng.u8(..4) == 0 {
                    end.take();
                }
            }
        }
    }
    // What was lost at either end is replaced.
    kept.extend(at_once(&sides, rng, false).await);
    judge(&mut kept, seed);
    drop(kept);
    for side in sides {
        assert!(lock(&side.peers).is_empty(), "seed {seed}");
    }
}

type Ends = [Option<(Place, [u8; 64])>; 2];

/// Some connections that are made at the same time, by either.
async fn at_once(sides: &[Arc<Chosen>; 2], rng: &mut Rng, breaks: bool) -> Vec<Ends> {
    let count = rng.usize(1..5);
    let results: Vec<_> = (0..count).map(|_| RefCell::new([None, None])).collect();
    let mut scheduler = Scheduler::new(rng.u64(..));
    for result in &results {
        let (near, far, tap) = Wire::pair(Manner::draw(rng, 1), rng.u64(..));
        if breaks && rng.bool() {
            let side = rng.choice(Side::BOTH).expect("two");
            tap.set_fault(side, Fault::Cut(rng.u64(..SAID)));
        }
        let small_dials = rng.bool();
        for (at, mut io) in [near, far].into_iter().enumerate() {
            let polls = match breaks && rng.u8(..4) == 0 {
                true => rng.usize(..20),
                false => usize::MAX,
            };
            scheduler.spawn(async move {
                let (own, peer) = if at == 0 {
                    (SMALL, LARGE)
                } else {
                    (LARGE, SMALL)
                };
                let choice = sides[at].choose(&mut io, own, peer, small_dials == (at == 0));
                let choice = cancelled_after(polls, choice).await;
                if let Some(Ok(Choice::This(place, hash))) = choice {
                    result.borrow_mut()[at] = Some((place, hash));
                }
            });
        }
    }
    scheduler.await;
    results.into_iter().map(RefCell::into_inner).collect()
}

/// Both have the same one, and it is the one that is remembered. Those before it end.
fn judge(kept: &mut Vec<Ends>, seed: u64) {
    let is_current = |end: &Option<(Place, [u8; 64])>| {
        end.as_ref().is_some_and(|(place, _)| {
            let peers = lock(&place.user.all.peers);
            peers[&place.user.peer].chosen == Some(place.serial)
        })
    };
    let current: Vec<_> = kept
        .iter()
        .map(|ends| ends.each_ref().map(is_current))
        .collect();
    let both = current.iter().filter(|ends| **ends == [true; 2]).count();
    let one = current
        .iter()
        .flatten()
        .filter(|is_current| **is_current)
        .count();
    assert_eq!((both, one), (1, 2), "seed {seed}: {current:?}");
    let mut current = current.into_iter();
    kept.retain(|_| current.next() == Some([true; 2]));
    let [Some((_, ours)), Some((_, theirs))] = &kept[0] else {
        unreachable!("both are current");
    };
    assert_eq!(ours, theirs, "seed {seed}");
}
