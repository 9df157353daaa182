//! Finding each other by ragedisco, with hosts of libocr.

use std::net::Ipv4Addr;

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::time::{Duration, timeout};
use tower_multiserver::{
    PeerId,
    ragep2p::{
        Host, Version,
        ragedisco::{Endpoint, Group, GroupDigest, Ragedisco},
    },
};

use super::lab::{DIAL_INTERVAL, PATIENCE, bare, numbered, wide};
use crate::{
    harness::{RagePeer, ours},
    ports::free_port,
};

const BOOTSTRAPPER: &str = "3333333333333333333333333333333333333333333333333333333333333333";
const ORACLE: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Our oracle finds that of libocr through a bootstrapper of libocr, or is found by it: whichever is asked first.
async fn meets(version: Version, go: &str) {
    let Some(mut peer) = RagePeer::of(go) else {
        return;
    };
    let discover = json!({ "discover": { "ragedisco": { "deltaReconcileMillis": 200 } } });
    let bootstrapper = peer.host(go, BOOTSTRAPPER, discover.clone()).await;
    let oracle = peer.host(go, ORACLE, discover).await;
    let theirs: PeerId = oracle.peer.parse().unwrap();
    let identity = ours();
    let us = PeerId::from(identity.public_key());
    for host in [&bootstrapper, &oracle] {
        let group = json!({
            "host": host.number,
            "digest": "44".repeat(32),
            "oracles": [us.to_string(), &oracle.peer],
            "bootstrappers": { &bootstrapper.peer: [&bootstrapper.address] },
        });
        peer.done("group", group).await;
    }

    let at = Endpoint::new(Ipv4Addr::LOCALHOST.into(), free_port());
    let discovery = Ragedisco::builder(identity.clone(), at.clone().into());
    let discovery = discovery.interval(Duration::from_millis(200)).build();
    let boot: Endpoint = bootstrapper.address.parse().unwrap();
    let group = Group::new([us, theirs])
        .bootstrapper(bootstrapper.peer.parse().unwrap(), [boot.to_address()]);
    discovery
        .add_group(GroupDigest::from_bytes([5; 32]), group)
        .unwrap();
    let host = Host::builder(identity)
        .version(version)
        .dial_interval(DIAL_INTERVAL);
    let host = host
        .listen(bare(&at.to_address()))
        .unwrap()
        .discover(discovery);
    let host = host.start().await.unwrap();

    let mut stream = host.stream(theirs, "found").limits(wide()).open().unwrap();
    let echoing = peer
        .stream(&oracle, &us.to_string(), "found", json!({ "mode": "echo" }))
        .await;
    // What goes while both dial each other may be lost.
    for number in 0.. {
        stream.feed(numbered(number, 100).into()).await.unwrap();
        if timeout(Duration::from_millis(200), stream.recv())
            .await
            .is_ok()
        {
            break;
        }
    }
    let stats = peer.stats(echoing).await;
    assert_eq!(stats["messages"]["wrong"], serde_json::Value::Null);
    host.close().await;
}

#[tokio::test]
async fn our_oracle_and_one_of_v1_find_each_other_through_a_bootstrapper() {
    timeout(PATIENCE, meets(Version::V1, "v1")).await.unwrap();
}

#[tokio::test]
async fn our_oracle_and_one_of_new_find_each_other_through_a_bootstrapper() {
    timeout(PATIENCE, meets(Version::V2, "new")).await.unwrap();
}
