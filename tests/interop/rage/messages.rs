//! What streams deliver.

use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::ragep2p::{Limits, SendError, Sent, Version};

use super::{
    lab::{numbered, recv, send, wide},
    pair::{Case, Connected, Dials, assert_counters, limits_json, wide_json, with},
};
use crate::harness::PATIENCE;

/// Lengths at which something changes: what is written at once, TLS records, what is read at once, the longest message.
const LENGTHS: [usize; 15] = [
    8,
    9,
    2010,
    2011,
    2012,
    2013,
    16_346,
    16_347,
    16_348,
    16_383,
    16_384,
    16_385,
    100_000,
    1 << 20,
    2 << 20,
];

each_pair! {
    async fn messages_are_echoed_in_order_and_intact(connected) {
        let Connected { mut pair, kept: _kept } = connected;
        let (mut ours, theirs) = pair.stream("echo", "echo").await;
        let mut next = 0;
        for count in [1, 100, 10_000] {
            for number in next..next + count {
                send(&mut ours, numbered(number, 8 + number as usize % 500)).await;
            }
            for number in next..next + count {
                assert!(recv(&mut ours).await == numbered(number, 8 + number as usize % 500), "{number}");
            }
            next += count;
        }
        let told = pair.go.wait(theirs, "messages", next).await;
        assert_counters(&told["messages"], 0..next);
    }

    async fn messages_of_any_length_come_back(connected) {
        let Connected { mut pair, kept: _kept } = connected;
        let (mut ours, theirs) = pair.stream("echo", "echo").await;
        for (number, len) in (0..).zip(LENGTHS) {
            send(&mut ours, numbered(number, len)).await;
        }
        send(&mut ours, vec![]).await;
        send(&mut ours, vec![7]).await;
        for (number, len) in (0..).zip(LENGTHS) {
            assert!(recv(&mut ours).await == numbered(number, len), "{len}");
        }
        assert_eq!(recv(&mut ours).await, [0; 0]);
        assert_eq!(recv(&mut ours).await, [7]);
        let max = wide().max_message;
        let too_long = ours.send(vec![0; max + 1]);
        assert_eq!(too_long, Err(SendError::TooLong { len: max + 1, max }));

        // Go drops what is too long, and says nothing.
        pair.go.send(theirs, json!({ "from": 100, "count": 2, "sizes": [max + 1, max] })).await;
        assert!(recv(&mut ours).await == numbered(101, max));
    }

    async fn streams_do_not_mix_and_one_can_be_closed_and_opened_again(connected) {
        let Connected { mut pair, kept: _kept } = connected;
        let mut streams = Vec::new();
        for name in ["a", "b", "c"] {
            streams.push(pair.stream(name, "echo").await);
        }
        for number in 0..200 {
            for (at, (ours, _)) in streams.iter_mut().enumerate() {
                send(ours, numbered(number, 10 + at)).await;
            }
        }
        for number in 0..200 {
            for (at, (ours, _)) in streams.iter_mut().enumerate() {
                assert_eq!(recv(ours).await, numbered(number, 10 + at));
            }
        }
        for round in 0..3 {
            let (ours, theirs) = streams.remove(1);
            drop(ours);
            pair.go.done("close", json!({ "stream": theirs })).await;
            for (ours, _) in &mut streams {
                send(ours, numbered(1000 + round, 8)).await;
                assert_eq!(recv(ours).await, numbered(1000 + round, 8));
            }
            let mut again = pair.stream("b", "echo").await;
            send(&mut again.0, numbered(round, 8)).await;
            assert_eq!(recv(&mut again.0).await, numbered(round, 8));
            streams.insert(1, again);
        }
        assert_eq!(pair.established().await, 1);
    }

    /// Only that it is open is said of a stream that the other end has not: Go counts what else comes as skipped.
    async fn messages_wait_until_the_other_end_opens_the_stream(connected) {
        let Connected { mut pair, mut kept } = connected;
        let limits = Limits { outgoing: 4, ..wide() };
        let late = pair.open("late", limits);
        for number in 0..20 {
            let sent = late.send(numbered(number, 8)).unwrap();
            assert_eq!(sent == Sent::Evicted, number >= 4);
        }
        let options = with(wide_json(), json!({ "outBuf": 4 }));
        let early = pair.opened("early", options).await;
        pair.go.send(early, json!({ "count": 20, "size": 8 })).await;
        kept.echo().await;
        assert_eq!(pair.metric("ragep2p_peer_conn_read_skipped_bytes_total").await, 0);

        let theirs = pair.opened("late", wide_json()).await;
        let told = pair.until_last(theirs, 19).await;
        assert_counters(&told, 16..20);

        let mut ours = pair.open("early", wide());
        assert_newest(&numbers(&mut ours, 19).await, 1);
    }

    async fn a_slow_reader_keeps_the_newest(connected) {
        let Connected { mut pair, mut kept } = connected;
        let limits = Limits { incoming: 4, ..wide() };
        let (mut ours, theirs) = pair.stream("slow for us", "record").await;
        ours.update_limits(limits).unwrap();
        let (before, ..) = (pair.metric("ragep2p_experimental_peer_message_bytes").await,);
        pair.go.send(theirs, json!({ "count": 20, "size": 8 })).await;
        pair.until_written(before + 20).await;
        // Behind them on the connection.
        kept.echo().await;
        let got = numbers(&mut ours, 19).await;
        assert_eq!(got, [16, 17, 18, 19]);

        let options = with(limits_json(limits), json!({ "mode": "hold" }));
        let theirs = pair.opened("slow for them", options).await;
        let mut ours = pair.open("slow for them", wide());
        for number in 0..40 {
            send(&mut ours, numbered(number, 8)).await;
        }
        flush(&mut ours).await;
        kept.echo().await;
        pair.go.done("mode", json!({ "stream": theirs, "mode": "record" })).await;
        let told = pair.until_last(theirs, 39).await;
        let counters: Vec<u64> = serde_json::from_value(told["counters"].clone()).unwrap();
        // Go has some in its hands beside the buffer.
        assert!(counters.ends_with(&[36, 37, 38, 39]) && counters.len() <= 16, "{counters:?}");
    }
}

/// What a stream receives until this comes.
async fn numbers(stream: &mut tower_multiserver::ragep2p::Stream, last: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        numbers.push(super::lab::recv_number(stream).await);
    }
    numbers
}

async fn flush(stream: &mut tower_multiserver::ragep2p::Stream) {
    let flushed = timeout(PATIENCE, futures_util::SinkExt::flush(stream)).await;
    flushed.expect("in time").expect("the stream is open");
}

/// That the last four of twenty came, and before them at most so many that were on their way already.
fn assert_newest(numbers: &[u64], in_hand: usize) {
    assert!(numbers.ends_with(&[16, 17, 18, 19]), "{numbers:?}");
    assert!(
        numbers.len() <= 4 + in_hand && numbers.is_sorted(),
        "{numbers:?}"
    );
}

/// What waits while there is no connection.
async fn overflow(go: &'static str, dials: Dials) {
    let case = Case {
        go,
        version: Version::V1,
        dials,
    };
    let Some(mut pair) = case.pair().await else {
        return;
    };
    // Neither knows the other at first.
    let known = match dials {
        Dials::Ours => {
            pair.map.set(pair.peer(), []);
            json!({})
        }
        _ => json!({ pair.ours.id().to_string(): [super::lab::socket(&pair.ours)] }),
    };
    let forget =
        json!({ "host": pair.theirs.number, "addresses": { pair.ours.id().to_string(): [] } });
    pair.go.done("addresses", forget).await;
    let limits = Limits {
        outgoing: 4,
        ..wide()
    };
    let mut ours = pair.open("x", limits);
    let theirs = pair.opened("x", limits_json(limits)).await;
    for number in 0..20 {
        let _ = ours.send(numbered(number, 8)).unwrap();
    }
    pair.go
        .send(theirs, json!({ "count": 20, "size": 8 }))
        .await;
    let remember = json!({ "host": pair.theirs.number, "addresses": known });
    pair.go.done("addresses", remember).await;
    if dials == Dials::Ours {
        pair.map.set(pair.peer(), [super::pair::at(&pair.theirs)]);
    }
    let told = pair.until_last(theirs, 19).await;
    // Theirs keeps four only as well, if it does not read in time.
    assert_counters(&told, 16..20);
    assert_newest(&numbers(&mut ours, 19).await, 1);
}

#[tokio::test]
async fn the_newest_outlive_the_time_without_a_connection_to_v1() {
    for dials in [Dials::Ours, Dials::Theirs] {
        overflow("v1", dials).await;
    }
}

#[tokio::test]
async fn the_newest_outlive_the_time_without_a_connection_to_new() {
    for dials in [Dials::Ours, Dials::Theirs] {
        overflow("new", dials).await;
    }
}
