//! More than a peer may send: messages, bytes, records, keys, connections.

use std::time::Duration;

use futures_util::FutureExt as _;
use tower_multiserver::ragep2p::{Limits, RateLimit, Stream, Version};

use super::{raw, records::Records, support::*};
use crate::lab::{Map, VERSIONS, builder, id, identity, recv, wide};

/// A stream on which the attacker may say that he is done.
struct Flooded {
    target: Target,
    done: Stream,
}

impl Flooded {
    async fn new(version: Version, messages: RateLimit, bytes: RateLimit) -> Self {
        let limits = Limits {
            messages,
            bytes,
            ..wide()
        };
        let target = Target::with(version, limits).await;
        let limits = Limits {
            messages: RateLimit::new(1.0, 10),
            bytes: RateLimit::new(1.0, 1000),
            ..wide()
        };
        let done = target.host.stream(id(MALLORY), "done").limits(limits);
        let done = done.open().unwrap();
        Self { target, done }
    }

    /// That it is done was heard, on a connection that is up; and so was what was let in.
    async fn kept(&mut self, attacker: &mut Attacker) -> usize {
        attacker.write(data("done", "done")).await;
        assert_eq!(recv(&mut self.done).await, b"done");
        assert!(attacker.is_up().await);
        self.target.good.round_trip().await;
        self.let_in()
    }

    /// How many messages wait.
    fn let_in(&mut self) -> usize {
        let next = || self.target.stream.recv().now_or_never();
        std::iter::from_fn(next).count()
    }
}

const NO_MORE: f64 = 0.0;
/// Far more than is sent, but not more than can be counted.
const MANY: RateLimit = RateLimit::new(1.0, 10_000);
const BYTES: RateLimit = RateLimit::new(1.0, 1 << 20);

#[tokio::test]
async fn a_flood_of_messages_is_let_in_as_far_as_allowed_and_ends_nothing() {
    for version in VERSIONS {
        let twenty = RateLimit::new(NO_MORE, 20);
        let mut flooded = Flooded::new(version, twenty, BYTES).await;
        let mut attacker = flooded.target.attacker().await;
        attacker.write(data("test", "x").repeat(1000)).await;
        assert_eq!(flooded.kept(&mut attacker).await, 20, "{version:?}");
    }
}

#[tokio::test]
async fn a_flood_of_bytes_ends_the_connection_where_all_streams_share_a_limit() {
    for version in VERSIONS {
        let ten = RateLimit::new(NO_MORE, 10_000);
        let message = data("test", [0; 1000]);
        // Below what a new connection is given, and above it.
        for (count, is_kept) in [(400, true), (2000, version == Version::V2)] {
            let mut flooded = Flooded::new(version, MANY, ten).await;
            let mut attacker = flooded.target.attacker().await;
            let said = attacker.write(message.repeat(count)).await;
            if is_kept {
                assert!(said);
                assert_eq!(flooded.kept(&mut attacker).await, 10, "{version:?}");
            } else {
                attacker.ended().await;
                assert_eq!(flooded.let_in(), 10);
            }
            flooded.target.good.round_trip().await;
        }
    }
}

#[tokio::test]
async fn who_asks_for_more_than_there_is_loses_what_there_was() {
    for version in VERSIONS {
        for (sizes, expected) in [(&[4, 4][..], 2), (&[4, 11, 4], 1), (&[11, 4], 0)] {
            let ten = RateLimit::new(NO_MORE, 10);
            let mut flooded = Flooded::new(version, MANY, ten).await;
            let mut attacker = flooded.target.attacker().await;
            for size in sizes {
                attacker.write(data("test", vec![0; *size])).await;
            }
            assert_eq!(flooded.kept(&mut attacker).await, expected, "{sizes:?}");
        }
    }
}

/// 23 raw bytes for one of content.
#[tokio::test]
async fn records_of_one_byte_end_the_connection_where_overhead_is_bounded() {
    for version in VERSIONS {
        for (count, is_kept) in [(4000, true), (6000, version == Version::V1)] {
            let mut flooded = Flooded::new(version, MANY, BYTES).await;
            let mut attacker = flooded.target.attacker().await;
            let mut said = true;
            for byte in data("no such", vec![0; count - 37]) {
                said = said && attacker.write([byte]).await;
            }
            match is_kept {
                true => assert_eq!(flooded.kept(&mut attacker).await, 0),
                false => _ = attacker.ended().await,
            }
            flooded.target.good.round_trip().await;
        }
    }
}

#[tokio::test]
async fn empty_records_end_the_connection() {
    for version in VERSIONS {
        let mut flooded = Flooded::new(version, MANY, BYTES).await;
        let config = Records::client(raw::honest(&identity(MALLORY)));
        let attacker = flooded.target.attacker_as(config).await;
        let mut records = Records::of(attacker.0);
        for _ in 0..30 {
            assert!(records.write(b"").await);
        }
        assert!(records.write(&data("done", "done")).await);
        assert_eq!(recv(&mut flooded.done).await, b"done");
        for _ in 0..100 {
            if !records.write(b"").await {
                break;
            }
        }
        records.ended().await;
        flooded.target.good.round_trip().await;
    }
}

#[tokio::test]
async fn new_keys_without_content_end_the_connection() {
    for version in VERSIONS {
        let mut flooded = Flooded::new(version, MANY, BYTES).await;
        let mut attacker = flooded.target.attacker().await;
        for _ in 0..100 {
            let _ = attacker.0.get_mut().1.refresh_traffic_keys();
        }
        attacker.write(data("done", "done")).await;
        attacker.ended().await;
        assert!(flooded.done.recv().now_or_never().is_none());
        flooded.target.good.round_trip().await;
    }
}

/// 50 raw bytes for one of content.
#[tokio::test]
async fn new_keys_for_each_byte_end_the_connection_where_overhead_is_bounded() {
    for version in VERSIONS {
        for (count, is_kept) in [(1000, true), (3000, version == Version::V1)] {
            let mut flooded = Flooded::new(version, MANY, BYTES).await;
            let mut attacker = flooded.target.attacker().await;
            for byte in data("no such", vec![0; count - 37]) {
                let refreshed = attacker.0.get_mut().1.refresh_traffic_keys();
                if refreshed.is_err() || !attacker.write([byte]).await {
                    break;
                }
            }
            match is_kept {
                true => assert_eq!(flooded.kept(&mut attacker).await, 0),
                false => _ = attacker.ended().await,
            }
            flooded.target.good.round_trip().await;
        }
    }
}

/// Of a burst of four each takes the place of the last; then there is one in two seconds, at this dial interval.
#[tokio::test]
async fn a_peer_that_connects_too_often_is_turned_away_and_keeps_what_it_has() {
    for version in VERSIONS {
        let map = Map::default();
        let host = builder(BOB, &map).version(version);
        let host = host.dial_interval(Duration::from_secs(60)).start().await;
        let mut target = Target::of(host.unwrap(), wide()).await;
        let mut let_in = Vec::new();
        for number in 0..4 {
            let mut attacker = target.attacker().await;
            attacker.write(data("test", number.to_string())).await;
            target.hears(&number.to_string()).await;
            let_in.push(attacker);
        }
        for _ in 0..6 {
            let mut attacker = target.attacker().await;
            attacker.write(data("test", "turned away")).await;
            // Not a frame.
            assert_eq!(attacker.ended().await, 0);
        }
        let mut last = let_in.pop().unwrap();
        last.write(data("test", "still there")).await;
        target.hears("still there").await;
        assert!(last.is_up().await);
        for mut replaced in let_in {
            replaced.ended().await;
        }
        target.good.round_trip().await;
    }
}
