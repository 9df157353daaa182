//! Hosts that find each other by what they tell each other.

use std::{net::Ipv4Addr, path::Path};

use tokio::time::{Duration, timeout};
use tower_multiserver::{
    PeerId,
    ragep2p::{
        Host,
        ragedisco::{Endpoint, FileStore, Group, GroupDigest, Ragedisco},
    },
};

use crate::{
    lab::{DIAL_INTERVAL, PATIENCE, bare, id, identity},
    ports::free_port,
};

const DIGEST: GroupDigest = GroupDigest::from_bytes([7; 32]);

fn endpoint() -> Endpoint {
    Endpoint::new(Ipv4Addr::LOCALHOST.into(), free_port())
}

struct Member {
    host: Host,
    discovery: Ragedisco,
}

impl Member {
    async fn start(seed: u8, at: &Endpoint, group: Group, store: Option<&Path>) -> Self {
        let builder = Ragedisco::builder(identity(seed), at.clone().into());
        let mut builder = builder.interval(Duration::from_millis(200));
        if let Some(path) = store {
            builder = builder.store(FileStore::new(path));
        }
        let discovery = builder.build();
        discovery.add_group(DIGEST, group).unwrap();
        let host = Host::builder(identity(seed)).dial_interval(DIAL_INTERVAL);
        let host = host
            .listen(bare(&at.to_address()))
            .unwrap()
            .discover(discovery.clone());
        Self {
            host: host.start().await.unwrap(),
            discovery,
        }
    }

    /// Whether the two find each other.
    async fn meets(&self, other: &Self) {
        let ours = self.host.stream(other.host.id(), "meeting").open().unwrap();
        let mut theirs = other.host.stream(self.host.id(), "meeting").open().unwrap();
        let meeting = async {
            loop {
                let _ = ours.send("met").unwrap();
                // What is on its way when both dial each other may be lost with the connection that goes.
                if let Ok(met) = timeout(DIAL_INTERVAL * 2, theirs.recv()).await {
                    assert_eq!(met.unwrap(), "met");
                    break;
                }
            }
        };
        timeout(PATIENCE, meeting).await.expect("they meet in time");
    }
}

fn group(oracles: &[u8], bootstrapper: u8, at: &Endpoint) -> Group {
    let oracles = oracles.iter().map(|seed| id(*seed));
    Group::new(oracles).bootstrapper(id(bootstrapper), [at.to_address()])
}

#[tokio::test]
async fn two_find_each_other_through_a_third() {
    let [at_boot, at_alice, at_bob, elsewhere] = [(); 4].map(|()| endpoint());
    let group = || group(&[1, 2], 3, &at_boot);
    let _boot = Member::start(3, &at_boot, group(), None).await;
    let alice = Member::start(1, &at_alice, group(), None).await;
    let bob = Member::start(2, &at_bob, group(), None).await;
    alice.meets(&bob).await;

    // Bob moves: who is told of it finds him there.
    bob.host.close().await;
    let bob = Member::start(2, &elsewhere, group(), None).await;
    bob.meets(&alice).await;
    // A group that is gone takes the streams of discovery with it; a second time it is not there.
    assert!(alice.discovery.remove_group(DIGEST));
    assert!(!alice.discovery.remove_group(DIGEST));
}

#[tokio::test]
async fn what_was_learned_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("announcements");
    let [at_boot, at_alice, at_bob] = [(); 3].map(|()| endpoint());
    let group = || group(&[1, 2], 3, &at_boot);
    let boot = Member::start(3, &at_boot, group(), None).await;
    let alice = Member::start(1, &at_alice, group(), Some(&store)).await;
    let bob = Member::start(2, &at_bob, group(), None).await;
    alice.meets(&bob).await;
    alice.host.close().await;
    boot.host.close().await;
    drop(boot);
    let kept = std::fs::read_to_string(&store).unwrap();
    let bobs: PeerId = id(2);
    assert!(kept.contains(&bobs.to_string()), "{kept}");

    // Alice is elsewhere, so that Bob cannot find her; she knows where he is.
    let alice = Member::start(1, &endpoint(), group(), Some(&store)).await;
    alice.meets(&bob).await;
}

#[tokio::test]
async fn discovery_of_another_identity_does_nothing() {
    let at = endpoint();
    let discovery = Ragedisco::builder(identity(5), at.into()).build();
    discovery
        .add_group(DIGEST, Group::new([id(1), id(2)]))
        .unwrap();
    let host = Host::builder(identity(1))
        .discover(discovery.clone())
        .start()
        .await
        .unwrap();
    assert!(host.close().await);
}
