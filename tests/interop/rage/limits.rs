//! How much is let in.

use futures_util::{FutureExt as _, SinkExt as _};
use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::ragep2p::{Limits, RateLimit, Stream, Version};

use super::{
    lab::{numbered, recv_number, send, wide},
    pair::{Case, Connected, Dials, Pair, assert_counters, limits_json},
};
use crate::harness::PATIENCE;

/// What is saved up, and nothing more.
fn limited(messages: u32, bytes: u32) -> Limits {
    Limits {
        messages: RateLimit::new(0.0, messages),
        bytes: RateLimit::new(0.0, bytes),
        ..wide()
    }
}

/// As few bytes as a hundred messages may have.
const MANY: u32 = 1_000_000;

each_pair! {
    async fn as_many_messages_are_let_in_as_the_limits_say(connected) {
        let Connected { mut pair, mut kept } = connected;
        for (name, limits, count) in [
            ("messages", limited(20, MANY), 20),
            ("bytes", limited(MANY, 1000), 10),
        ] {
            from_go(&mut pair, name, limits, count, &mut kept).await;
            to_go(&mut pair, &format!("{name} to them"), limits, count, &mut kept).await;
        }
        assert_eq!(pair.established().await, 1);
    }
}

/// A hundred messages of a hundred bytes.
async fn from_go(
    pair: &mut Pair,
    name: &str,
    limits: Limits,
    count: u64,
    kept: &mut super::pair::Echoed,
) {
    let (mut ours, theirs) = pair.stream(name, "record").await;
    ours.update_limits(limits).unwrap();
    let before = pair.metric("ragep2p_experimental_peer_message_bytes").await;
    pair.go
        .send(theirs, json!({ "count": 100, "size": 100 }))
        .await;
    pair.until_written(before + 100).await;
    // Behind them on the connection.
    kept.echo().await;
    for number in 0..count {
        assert_eq!(recv_number(&mut ours).await, number);
    }
    assert_eq!(ours.recv().now_or_never(), None);
}

async fn to_go(
    pair: &mut Pair,
    name: &str,
    limits: Limits,
    count: u64,
    kept: &mut super::pair::Echoed,
) {
    let theirs = pair.opened(name, limits_json(limits)).await;
    let mut ours = pair.open(name, wide());
    for number in 0..100 {
        send(&mut ours, numbered(number, 100)).await;
    }
    flush(&mut ours).await;
    kept.echo().await;
    let told = pair.until_last(theirs, count - 1).await;
    assert_counters(&told, 0..count);
    assert_eq!(pair.go.stats(theirs).await["messages"]["count"], count);
}

async fn flush(stream: &mut Stream) {
    let flushed = timeout(PATIENCE, stream.flush()).await;
    flushed.expect("in time").expect("the stream is open");
}

/// A message that is longer than its stream allows ends the connection to us as v1, and is dropped by us as v2.
async fn too_long_for_us(go: &'static str, version: Version) {
    let case = Case {
        go,
        version,
        dials: Dials::Theirs,
    };
    let Some(Connected { mut pair, mut kept }) = case.connected().await else {
        return;
    };
    let (mut ours, theirs) = pair.stream("short", "record").await;
    let limits = Limits {
        max_message: 1000,
        ..wide()
    };
    ours.update_limits(limits).unwrap();
    for (from, size) in [(0, 1000), (1, 1001)] {
        pair.go
            .send(theirs, json!({ "from": from, "size": size }))
            .await;
    }
    assert_eq!(recv_number(&mut ours).await, 0);
    let before = pair.established().await;
    let closes = version == Version::V1;
    if closes {
        while pair.established().await == before {
            tokio::task::yield_now().await;
        }
    }
    kept.until_echoed().await;
    pair.go
        .send(theirs, json!({ "from": 2, "size": 1000 }))
        .await;
    assert_eq!(recv_number(&mut ours).await, 2);
    assert_eq!(pair.established().await, before + u64::from(closes));
}

#[tokio::test]
async fn a_message_of_v1_that_is_too_long_ends_the_connection_or_is_dropped() {
    too_long_for_us("v1", Version::V2).await;
    timeout(PATIENCE, too_long_for_us("v1", Version::V1))
        .await
        .expect("it ends");
}

#[tokio::test]
async fn a_message_of_new_that_is_too_long_ends_the_connection_or_is_dropped() {
    too_long_for_us("new", Version::V2).await;
    timeout(PATIENCE, too_long_for_us("new", Version::V1))
        .await
        .expect("it ends");
}
