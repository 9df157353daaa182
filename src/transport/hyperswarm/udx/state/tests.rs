use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use tower_multiserver_core::testing::seeds;

use super::{
    super::{packet::MAX_RANGES, receive::RECEIVE, road::Road, send::SEND},
    *,
};

/// Moves packets between two ends in virtual time, until a step says that it is done.
fn exchange(
    ends: &mut [State; 2],
    road: Road,
    seed: u64,
    mut step: impl FnMut(&mut [State; 2]) -> bool,
) {
    let mut now = Instant::now();
    let mut rng = Rng::with_seed(seed);
    // By the time of their arrival.
    let mut under_way = BTreeMap::new();
    let mut count = 0;
    for _ in 0..200_000 {
        if step(ends) {
            return;
        }
        let mut idle = under_way.is_empty();
        for (from, to) in [(0, 1), (1, 0)] {
            while let Some(bytes) = ends[from].send(now) {
                idle = false;
                for (time, bytes) in road.pass(&mut rng, &bytes) {
                    count += 1;
                    under_way.insert((now + time, count), (to, bytes));
                }
                if count % 8 == 0 {
                    break;
                }
            }
        }
        while let Some(first) = under_way.first_entry()
            && first.key().0 <= now
        {
            let (to, bytes) = first.remove();
            if let Some(packet) = Packet::decode(&bytes) {
                ends[to].receive(&packet, now);
            }
        }
        now += Duration::from_millis(if idle { 100 } else { 1 });
        ends.iter_mut().for_each(|end| end.tick(now));
    }
    panic!("it does not end");
}

/// Sends so much each way at once. All of it arrives, in order and once.
fn transfer(road: Road, seed: u64, length: u32) {
    let mut ends = [State::new(1), State::new(2)];
    let bytes: Vec<u8> = (0..length).map(|n| (n / 7) as u8).collect();
    let (mut sent, mut came) = ([0; 2], [const { Vec::new() }; 2]);
    exchange(&mut ends, road, seed, |ends| {
        let mut is_done = true;
        for (at, end) in ends.iter_mut().enumerate() {
            sent[at] += end.write(&bytes[sent[at]..]);
            if sent[at] == bytes.len() {
                end.end();
            }
            let read = end.read(|part| {
                came[at].extend_from_slice(part);
                part.len()
            });
            assert_eq!(end.failed, None);
            is_done &= read == Some(0) && end.is_acknowledged();
        }
        is_done
    });
    assert!(came.iter().all(|came| *came == bytes));
    assert_eq!(ends.map(|end| end.receiver.held()), [0, 0]);
}

#[tokio::test]
async fn all_arrives_in_order_whatever_is_lost() {
    for lost in [0, 10, 50, 200] {
        let road = Road { lost, ..Road::GOOD };
        transfer(road, lost.into(), 3_000_000);
    }
}

#[tokio::test]
async fn all_arrives_in_order_however_late_doubled_and_swapped_it_is() {
    seeds("udx over bad roads", 20, async |seed| {
        let mut rng = Rng::with_seed(seed);
        let road = Road {
            delay: rng.u64(..200),
            jitter: rng.u64(..200),
            lost: rng.u32(..100),
            doubled: rng.u32(..200),
            hasty: rng.u32(..200),
            changed: 0,
        };
        transfer(road, seed, 100_000);
    })
    .await;
}

/// UDP has a checksum, and what is above encrypts and minds silence: here it is only that nothing grows and nothing panics.
#[tokio::test]
async fn packets_that_are_changed_on_the_way_break_no_bound() {
    seeds("udx with changed packets", 8, async |seed| {
        let road = Road {
            changed: 100,
            ..Road::BAD
        };
        let mut ends = [State::new(1), State::new(2)];
        let mut rounds = 0;
        exchange(&mut ends, road, seed, |ends| {
            rounds += 1;
            for end in ends {
                end.write(&[7; 1000]);
                assert!(end.receiver.held() <= RECEIVE * 5 / 4);
                // Half of the time nobody reads.
                if rounds % 2000 < 1000 {
                    end.read(<[u8]>::len);
                }
            }
            rounds == 5000
        });
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer_and_both_go_on() {
    let mut ends = [State::new(1), State::new(2)];
    let mut sent = 0;
    let mut rounds = 0;
    exchange(&mut ends, Road::GOOD, 0, |ends| {
        sent += ends[0].write(&[7; 65536]);
        rounds += 1;
        rounds == 5000
    });
    assert!(sent <= RECEIVE * 5 / 4 + SEND + 65536, "{sent}");
    assert!(ends[1].receiver.held() <= RECEIVE * 5 / 4);
    let mut came = 0;
    exchange(&mut ends, Road::GOOD, 0, |ends| {
        ends[1].read(|part| {
            came += part.len();
            part.len()
        });
        came == sent
    });
}

#[tokio::test]
async fn a_peer_that_is_gone_is_a_timeout_and_one_that_destroys_a_reset() {
    let mut ends = [State::new(1), State::new(2)];
    ends[0].write(b"hello");
    let gone = Road {
        lost: 1000,
        ..Road::GOOD
    };
    exchange(&mut ends, gone, 0, |ends| ends[0].failed.is_some());
    assert_eq!(ends[0].failed, Some(io::ErrorKind::TimedOut));

    let mut ends = [State::new(1), State::new(2)];
    let bytes = ends[0].destroy();
    ends[1].receive(&Packet::decode(&bytes).unwrap(), Instant::now());
    assert_eq!(ends[1].failed, Some(io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn numbers_far_ahead_take_no_memory() {
    let mut state = State::new(1);
    for seq in 0..200_000 {
        let packet = Packet {
            flags: DATA,
            stream: 1,
            window: 0,
            seq: seq * 1000 + 1,
            ack: 0,
            ranges: vec![(0, u32::MAX); MAX_RANGES],
            payload: &[0; 1000],
        };
        state.receive(&packet, Instant::now());
    }
    assert!(state.receiver.held() <= RECEIVE * 5 / 4);
}
