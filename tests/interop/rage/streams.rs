//! How many streams there may be, and how they may be called.

use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::ragep2p::{Limits, MAX_NAME_LEN, MAX_STREAMS, RateLimit, Stream, Version};

use super::{
    lab::{numbered, recv_number, send, wide},
    pair::{Case, Connected, Dials, limits_json, wide_json, with},
};
use crate::harness::PATIENCE;

each_pair! {
    /// We cannot open such a stream, but know by its id that it is none of ours.
    async fn a_name_that_is_no_text_harms_nobody(connected) {
        let Connected { mut pair, mut kept } = connected;
        let odd = json!({ "nameHex": hex::encode([0xff, 0, 0xfe]) });
        let odd = pair.opened("", with(wide_json(), odd)).await;
        pair.go.send(odd, json!({ "size": 8 })).await;
        kept.echo().await;
        let (mut long, _) = pair.stream(&"n".repeat(MAX_NAME_LEN), "echo").await;
        send(&mut long, numbered(1, 8)).await;
        assert_eq!(recv_number(&mut long).await, 1);
        pair.go.done("close", json!({ "stream": odd })).await;
        kept.echo().await;
        assert_eq!(pair.established().await, 1);
    }
}

/// As little as is needed, so that v1 lets in few bytes more than those of a new connection.
fn little() -> Limits {
    Limits {
        messages: RateLimit::new(1.0, 4),
        bytes: RateLimit::new(100.0, 1000),
        ..wide()
    }
}

/// All are opened at once, within what v1 lets in on a new connection: it stays while a message goes over each and back.
async fn two_thousand_streams(go: &'static str, version: Version, dials: Dials) {
    let case = Case { go, version, dials };
    let Some(mut pair) = case.pair().await else {
        return;
    };
    let mut ours = Vec::new();
    let mut jobs = Vec::new();
    for at in 0..MAX_STREAMS {
        let name = format!("stream {at}");
        ours.push(pair.open(&name, little()));
        let peer = pair.ours.id().to_string();
        let stream =
            json!({ "host": pair.theirs.number, "peer": peer, "name": name, "mode": "echo" });
        jobs.push(
            pair.go
                .command("stream", with(limits_json(little()), stream))
                .await,
        );
    }
    let mut last = 0;
    for job in jobs {
        last = pair.go.answer(job).await.expect("it opens")["stream"]
            .as_u64()
            .unwrap();
    }
    // A host of v1 counts the bytes of a new connection a moment before it lets any in, and may cut the first one off: what
    // was on its way then is sent again.
    let mut established = 0;
    while established != pair.established().await {
        established = pair.established().await;
        talk(&mut ours).await;
    }
    // Go refuses one more too.
    let more =
        json!({ "host": pair.theirs.number, "peer": pair.ours.id().to_string(), "name": "more" });
    assert!(pair.go.ask("stream", more).await.is_err());
    assert!(pair.ours.stream(pair.peer(), "more").open().is_err());
    pair.go.done("close", json!({ "stream": last })).await;
}

/// A message on each, and back.
async fn talk(streams: &mut [Stream]) {
    let talk = async {
        for stream in &mut *streams {
            send(stream, numbered(0, 8)).await;
        }
        for stream in streams {
            while timeout(PATIENCE / 20, recv_number(stream)).await.is_err() {
                send(stream, numbered(0, 8)).await;
            }
        }
    };
    timeout(PATIENCE, talk).await.expect("all come back");
}

#[tokio::test]
async fn we_open_two_thousand_streams_to_v1_at_once() {
    two_thousand_streams("v1", Version::V2, Dials::Ours).await;
}

#[tokio::test]
async fn v1_opens_two_thousand_streams_to_us_at_once() {
    two_thousand_streams("v1", Version::V1, Dials::Theirs).await;
}

#[tokio::test]
async fn we_open_two_thousand_streams_to_new_at_once() {
    two_thousand_streams("new", Version::V2, Dials::Ours).await;
}

#[tokio::test]
async fn new_opens_two_thousand_streams_to_us_at_once() {
    two_thousand_streams("new", Version::V1, Dials::Theirs).await;
}
