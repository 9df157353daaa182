//! Connections that come and go.

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::{
    Identity,
    peer_socket::{CloseReason, PeerSockets, SwarmEvent},
};

use crate::lab::{Lab, PATIENCE, json, peers, room, socket, until};

#[tokio::test]
async fn after_a_lost_connection_the_next_brings_a_new_socket() {
    let lab = Lab::default();
    let build = || {
        PeerSockets::builder(lab.clone())
            .max_peers(1)
            .build()
            .unwrap()
    };
    let (alice, bob) = (build(), build());
    let (a, b) = (
        alice.join(room()).await.unwrap(),
        bob.join(room()).await.unwrap(),
    );
    let mut incoming = a.incoming();
    let mut events = a.events();
    // More often than there are places.
    for round in 0..5 {
        let cable = lab.connect(alice.public_key(), bob.public_key()).await;
        let to_b = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
        assert_eq!(
            events.next().await,
            Some(SwarmEvent::Connected(to_b.clone()))
        );
        until(|| b.sockets().len() == 1).await;
        to_b.send(json!(round)).await.unwrap();
        assert_eq!(json(&b.sockets()[0]).await, json!(round));
        cable.cut().await;
        let (socket, reason) = (to_b, CloseReason::Reset);
        let ended = SwarmEvent::Disconnected { socket, reason };
        assert_eq!(events.next().await, Some(ended));
        assert!(a.sockets().is_empty() && b.sockets().is_empty());
    }
}

#[tokio::test]
async fn a_newer_connection_of_the_same_peer_takes_the_place_of_the_last() {
    let lab = Lab::default();
    let (alice, bob) = (peers(lab.clone()), peers(lab.clone()));
    let (a, b) = (
        alice.join(room()).await.unwrap(),
        bob.join(room()).await.unwrap(),
    );
    let _first = lab.connect(alice.public_key(), bob.public_key()).await;
    let (old_to_b, old_to_a) = (socket(&a).await, socket(&b).await);
    let _second = lab.connect(alice.public_key(), bob.public_key()).await;
    assert_eq!(old_to_b.closed().await, CloseReason::Reset);
    assert_eq!(old_to_a.closed().await, CloseReason::Reset);
    until(|| a.sockets().len() == 1 && b.sockets().len() == 1).await;
    a.sockets()[0].send(json!("anew")).await.unwrap();
    assert_eq!(json(&b.sockets()[0]).await, json!("anew"));
}

#[tokio::test]
async fn above_the_most_peers_who_shares_no_swarm_makes_room_and_others_are_refused() {
    let lab = Lab::default();
    let alice = PeerSockets::builder(lab.clone())
        .max_peers(2)
        .build()
        .unwrap();
    let a = alice.join(room()).await.unwrap();
    let bob = peers(lab.clone());
    let _b = bob.join(room()).await.unwrap();
    let _to_bob = lab.connect(alice.public_key(), bob.public_key()).await;
    socket(&a).await;

    let key = || Identity::generate().unwrap().public_key();
    let mut idle = lab.wire(alice.public_key(), key()).await;
    idle.opening().await;
    idle.send(b"\0\x02\x01").await;
    let carol = key();
    // Whether it is known already that the idle one wants no channel is for chance: it is asked until it is.
    let asked = async {
        loop {
            let mut wire = lab.wire(alice.public_key(), carol).await;
            if wire.frame().await.is_some() {
                break wire;
            }
        }
    };
    let wire = timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(idle.frame().await, None);
    drop(wire.0);
    // A place that is free is given again.
    let dave = peers(lab.clone());
    let _d = dave.join(room()).await.unwrap();
    until(|| a.sockets().len() == 1).await;
    let mut cables = Vec::new();
    let asked = async {
        while a.sockets().len() < 2 {
            cables.push(lab.connect(alice.public_key(), dave.public_key()).await);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(PATIENCE, asked).await.unwrap();
    let mut refused = lab.wire(alice.public_key(), key()).await;
    assert_eq!(refused.frame().await, None);
    assert_eq!(a.sockets().len(), 2);
}
