//! Who dials whom, and which connection stays.

use serde_json::json;
use tokio::time::{Duration, Instant, timeout};
use tower_multiserver::ragep2p::Version;

use super::{
    lab::{Map, bare, host, id, recv, socket, wide},
    pair::{Case, Connected, Dials, Echoed, OURS, THEIRS, at, seed, wide_json, with},
    raw::Raw,
};
use crate::{
    harness::{PATIENCE, RagePeer},
    ports::closed_port,
};

const VERSIONS: [Version; 2] = [Version::V1, Version::V2];

/// Both dial at once, and may cut each other's connection for some rounds.
async fn both_dial(go: &'static str) {
    const INTERVAL: Duration = Duration::from_millis(100);
    for version in VERSIONS {
        let case = Case {
            go,
            version,
            dials: Dials::Both,
        };
        let Some(mut pair) = case.pair_with(INTERVAL, |builder| builder).await else {
            return;
        };
        let mut kept = pair.connect().await;
        let agree = async {
            loop {
                let before = pair.established().await;
                let later = Instant::now() + 10 * INTERVAL;
                while Instant::now() < later {
                    kept.until_echoed().await;
                }
                if pair.established().await == before {
                    break;
                }
            }
        };
        timeout(PATIENCE, agree)
            .await
            .expect("one connection stays");
        for _ in 0..100 {
            kept.echo().await;
        }
    }
}

#[tokio::test]
async fn we_and_v1_that_dial_each_other_agree_on_a_connection() {
    both_dial("v1").await;
}

#[tokio::test]
async fn we_and_new_that_dial_each_other_agree_on_a_connection() {
    both_dial("new").await;
}

/// Nobody there, the one who dials, and then the peer.
async fn addresses_in_turn(go: &'static str) {
    let (_reserved, dead) = closed_port();
    let dead = dead.to_string();
    for dials in [Dials::Ours, Dials::Theirs] {
        // Both, so that we listen.
        let case = Case {
            go,
            version: Version::V1,
            dials: Dials::Both,
        };
        let Some(mut pair) = case.pair().await else {
            return;
        };
        let ours = bare(&pair.ours.addresses()[0].1);
        let (known, told) = match dials {
            Dials::Ours => {
                let dead = format!("net:{dead}").parse().unwrap();
                (vec![dead, ours, at(&pair.theirs)], vec![])
            }
            _ => {
                let theirs = pair.theirs.address.clone();
                (vec![], vec![dead.clone(), theirs, socket(&pair.ours)])
            }
        };
        pair.map.set(pair.peer(), known);
        let told = json!({ pair.ours.id().to_string(): told });
        let told = json!({ "host": pair.theirs.number, "addresses": told });
        pair.go.done("addresses", told).await;
        pair.connect().await.echo().await;
    }
}

#[tokio::test]
async fn we_and_v1_dial_addresses_in_turn_until_one_answers() {
    addresses_in_turn("v1").await;
}

#[tokio::test]
async fn we_and_new_dial_addresses_in_turn_until_one_answers() {
    addresses_in_turn("new").await;
}

/// The stream is opened as soon as there is a connection, which a host of version `new` may not hear at first.
async fn no_stream_stays_mute(go: &'static str, dials: Dials, connections: u64) {
    const INTERVAL: Duration = Duration::from_millis(20);
    let case = Case {
        go,
        version: Version::V2,
        dials,
    };
    let Some(mut pair) = case.pair_with(INTERVAL, |builder| builder).await else {
        return;
    };
    let options = with(wide_json(), json!({ "mode": "echo" }));
    let theirs = pair.opened("x", options).await;
    for round in 0..connections {
        // The only stream takes the connection with it when it is dropped.
        let mut stream = Echoed::new(pair.open("x", wide()), theirs, round * 10_000);
        stream.until_echoed().await;
    }
    assert!(pair.established().await >= connections);
}

#[tokio::test]
async fn no_stream_stays_mute_when_we_dial_v1() {
    no_stream_stays_mute("v1", Dials::Ours, 100).await;
}

#[tokio::test]
async fn no_stream_stays_mute_when_we_dial_new() {
    no_stream_stays_mute("new", Dials::Ours, 200).await;
}

#[tokio::test]
async fn no_stream_stays_mute_when_new_dials_us() {
    no_stream_stays_mute("new", Dials::Theirs, 100).await;
}

/// Another one with our key, who has no host that would open the connection again.
#[tokio::test]
async fn whoever_closes_the_last_stream_ends_the_connection() {
    let map = Map::default();
    let host = host(THEIRS, Version::V1, &map).await;
    let mut stream = host.stream(id(OURS), "x").open().unwrap();
    let mut raw = Raw::connect(OURS, host.id(), &socket(&host)).await;
    assert!(raw.say(&raw.data(b"x", b"there")).await);
    assert_eq!(recv(&mut stream).await, b"there");
    drop(stream);
    raw.ended().await;

    for version in ["v1", "new"] {
        let Some(mut go) = RagePeer::of(version) else {
            return;
        };
        let host = go.host(version, &seed(THEIRS), json!({})).await;
        let options = json!({ "mode": "count" });
        let stream = go.stream(&host, &id(OURS).to_string(), "x", options).await;
        let mut raw = Raw::connect(OURS, id(THEIRS), &host.address).await;
        assert!(raw.say(&raw.data(b"x", b"there")).await);
        go.wait(stream, "messages", 1).await;
        go.done("close", json!({ "stream": stream })).await;
        raw.ended().await;
    }
}

each_pair! {
    async fn a_new_stream_brings_the_connection_back_that_the_last_one_took(connected) {
        let Connected { mut pair, kept } = connected;
        assert_eq!(pair.established().await, 1);
        let theirs = kept.theirs;
        drop(kept);
        let mut kept = Echoed::new(pair.open("kept", wide()), theirs, 1000);
        kept.until_echoed().await;
        assert!(pair.established().await > 1);

        pair.go.done("close", json!({ "stream": theirs })).await;
        let options = with(wide_json(), json!({ "mode": "echo" }));
        pair.opened("kept", options).await;
        kept.until_echoed().await;
    }

    /// Whoever was cut dials again, and takes the place of the other in turn.
    async fn a_second_connection_of_the_same_peer_takes_the_place_of_the_first(connected) {
        let Connected { mut pair, mut kept } = connected;
        let (mut second, connections) = match pair.dials {
            Dials::Ours => (Raw::connect(OURS, pair.peer(), &pair.theirs.address).await, 3),
            _ => (Raw::connect(THEIRS, pair.ours.id(), &socket(&pair.ours)).await, 2),
        };
        second.ended().await;
        kept.until_echoed().await;
        assert_eq!(pair.established().await, connections);
        for _ in 0..100 {
            kept.echo().await;
        }
    }
}

/// The key exchange of Go prefers X25519MLKEM768, which only aws-lc-rs has of the two.
#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn we_talk_with_the_cryptography_of_aws_lc_rs_too() {
    use tower_multiserver::mtls::Provider;

    for go in ["v1", "new"] {
        for dials in [Dials::Ours, Dials::Theirs] {
            let case = Case {
                go,
                version: Version::V1,
                dials,
            };
            let interval = Duration::from_millis(100);
            let pair = case.pair_with(interval, |builder| builder.provider(Provider::AWS_LC_RS));
            let Some(mut pair) = pair.await else {
                return;
            };
            pair.connect().await.echo().await;
        }
    }
}
