//! Who meets whom, and who is told.

use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::json;
use tower_multiserver::{
    ErrorKind, Seed,
    peer_socket::{MemoryHub, PeerSockets, ReadyState, SwarmEvent, SwarmId, SwarmKind, Topic},
};

use crate::lab::{json, peers, room, socket, until};

#[tokio::test]
async fn joining_twice_shares_one_swarm_that_is_left_when_the_last_is_dropped() {
    let hub = MemoryHub::new();
    let alice = PeerSockets::builder(hub.clone())
        .origin("o")
        .build()
        .unwrap();
    let first = alice.join(room()).await.unwrap();
    let second = alice.clone().with_origin("o").join(room()).await.unwrap();
    assert_eq!(first, second);
    let topic = first.topic();
    assert_eq!(hub.members(&topic), 1);
    assert_eq!(first.ready_state(), ReadyState::Open);

    let bob = peers(hub.clone()).join(room()).await.unwrap();
    let to_alice = socket(&bob).await;
    drop(first);
    assert_eq!(hub.members(&topic), 2);
    assert_eq!(to_alice.ready_state(), ReadyState::Open);
    drop(second);
    assert_eq!(hub.members(&topic), 1);
    to_alice.closed().await;
    assert!(bob.sockets().is_empty());

    // And may be joined again.
    let again = alice.join(room()).await.unwrap();
    assert_eq!(socket(&again).await.id(), bob.loopback().id());
}

#[tokio::test]
async fn many_who_join_at_once_share_one_swarm() {
    let hub = MemoryHub::new();
    let alice = peers(hub.clone());
    let joined = futures_util::future::join_all((0..20).map(|_| alice.join(room()))).await;
    let first = joined[0].as_ref().unwrap();
    assert!(joined.iter().all(|swarm| swarm.as_ref().unwrap() == first));
    assert_eq!(hub.members(&first.topic()), 1);
}

#[tokio::test]
async fn two_origins_on_one_machine_are_two_peers_that_see_each_other() {
    let a = PeerSockets::builder(MemoryHub::new())
        .origin("dat://a")
        .build()
        .unwrap();
    let b = a.with_origin("dat://b");
    assert_ne!(a.public_key(), b.public_key());
    let (swarm_a, swarm_b) = (a.join(room()).await.unwrap(), b.join(room()).await.unwrap());
    assert_eq!(socket(&swarm_a).await.id(), b.public_key());
    assert_eq!(socket(&swarm_b).await.id(), a.public_key());
}

#[tokio::test]
async fn debug_identities_are_peers_of_their_own_and_the_same_each_time() {
    let secret = || Seed::from_bytes([7; 32]);
    let build = || {
        let builder = PeerSockets::builder(MemoryHub::new()).origin("dat://a");
        builder.secret(secret()).debug_identity(1).build().unwrap()
    };
    let one = build();
    let two = one.with_debug_identity(2);
    let keys = [
        one.public_key(),
        two.public_key(),
        one.with_debug_identity(0).public_key(),
    ];
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    assert_eq!(build().public_key(), one.public_key());

    let swarm_one = one.join(SwarmId::Origin).await.unwrap();
    let swarm_two = two.join(SwarmId::Origin).await.unwrap();
    assert_eq!(socket(&swarm_one).await.id(), two.public_key());
    assert_eq!(socket(&swarm_two).await.id(), one.public_key());
    let other_tab = one
        .with_debug_identity(1)
        .join(SwarmId::Origin)
        .await
        .unwrap();
    assert_eq!(other_tab.sockets(), swarm_one.sockets());
}

#[tokio::test]
async fn an_open_swarm_crosses_origins_and_that_of_an_origin_does_not() {
    let a = PeerSockets::builder(MemoryHub::new())
        .origin("dat://a")
        .build()
        .unwrap();
    let (b, a_too) = (a.with_origin("dat://b"), a.with_debug_identity(1));
    let of_a = a.join(SwarmId::Origin).await.unwrap();
    let of_b = b.join(SwarmId::Origin).await.unwrap();
    assert_eq!(of_a.topic(), Topic::origin("dat://a"));
    assert_eq!((of_a.kind(), of_a.id()), (SwarmKind::Origin, None));
    // They are connected, for they meet in another swarm.
    let (room_a, room_b) = (a.join(room()).await.unwrap(), b.join(room()).await.unwrap());
    assert_eq!(
        (room_a.kind(), room_a.id()),
        (SwarmKind::Open, Some("room"))
    );
    assert_eq!(socket(&room_a).await.id(), b.public_key());
    socket(&room_b).await;
    // A peer of the same origin is met, later than the other would have been.
    let of_a_too = a_too.join(SwarmId::Origin).await.unwrap();
    assert_eq!(socket(&of_a).await.id(), a_too.public_key());
    assert_eq!(socket(&of_a_too).await.id(), a.public_key());
    assert!(of_b.sockets().is_empty());
}

#[tokio::test]
async fn without_an_origin_there_is_no_swarm_of_it() {
    let refused = peers(MemoryHub::new()).join(SwarmId::Origin).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn late_subscribers_see_who_is_there_and_everybody_sees_each_once() {
    let hub = MemoryHub::new();
    let alice = peers(hub.clone()).join(room()).await.unwrap();
    let mut early = alice.incoming();
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(peers(hub.clone()).join(room()).await.unwrap());
        until(|| alice.sockets().len() == others.len()).await;
    }
    let mut late = alice.incoming();
    others.push(peers(hub).join(room()).await.unwrap());
    until(|| alice.sockets().len() == 4).await;

    for incoming in [&mut early, &mut late] {
        for other in &others {
            let socket = incoming.next().now_or_never().unwrap().unwrap();
            assert_eq!(socket.id(), other.loopback().id());
        }
        assert!(incoming.next().now_or_never().is_none());
    }
    alice.close().await;
    assert_eq!(early.next().await, None);
}

#[tokio::test]
async fn who_falls_behind_still_sees_all_who_are_there() {
    let hub = MemoryHub::new();
    let alice = peers(hub.clone()).join(room()).await.unwrap();
    let mut incoming = alice.incoming();
    let mut events = alice.events();
    let stays = peers(hub.clone()).join(room()).await.unwrap();
    // More come and go than are remembered.
    let to_stays = socket(&alice).await;
    for n in 0..300 {
        stays.loopback().set_session_data(json!(n)).unwrap();
        until(|| *to_stays.session_data().borrow() == Some(json!(n))).await;
    }
    let last = peers(hub).join(room()).await.unwrap();
    until(|| alice.sockets().len() == 2).await;
    assert!(matches!(events.next().await, Some(SwarmEvent::Missed(_))));
    for swarm in [&stays, &last] {
        assert_eq!(incoming.next().await.unwrap().id(), swarm.loopback().id());
    }
    assert!(incoming.next().now_or_never().is_none());
}

#[tokio::test]
async fn events_tell_who_comes_and_goes_and_why() {
    let hub = MemoryHub::new();
    let alice = peers(hub.clone()).join(room()).await.unwrap();
    let mut events = alice.events();
    let bob = peers(hub).join(room()).await.unwrap();
    let Some(SwarmEvent::Connected(to_bob)) = events.next().await else {
        panic!("bob comes");
    };
    bob.close().await;
    let Some(SwarmEvent::Disconnected { socket, reason }) = events.next().await else {
        panic!("bob goes");
    };
    assert_eq!(socket, to_bob);
    assert_eq!(to_bob.close_reason(), Some(reason));
}

#[tokio::test]
async fn the_loopback_gives_back_what_is_sent_and_is_no_peer() {
    let swarm = peers(MemoryHub::new()).join(room()).await.unwrap();
    let loopback = swarm.loopback();
    let to_us = loopback.socket();
    assert!(loopback.is_loopback() && to_us.is_loopback());
    assert_eq!(loopback.id(), to_us.id());
    assert!(swarm.sockets().is_empty());
    assert_eq!(swarm.socket(&to_us.id()), None);
    to_us.send(json!(false)).await.unwrap();
    to_us.flush().await.unwrap();
    assert_eq!(json(&to_us).await, json!(false));

    let mut data = loopback.session_data();
    loopback.set_session_data(json!("me")).unwrap();
    assert!(data.has_changed().unwrap());
    assert_eq!(*data.borrow_and_update(), Some(json!("me")));
    swarm.close().await;
    assert_eq!(to_us.recv().await, None);
}
