//! PeerSocket over Hyperswarm.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::{
    PublicKey,
    hyperswarm::Topic,
    peer_socket::{
        CloseReason, HyperNetwork, Message, PeerSocket, PeerSockets, PeerSocketsBuilder, Swarm,
        SwarmId,
    },
};

use crate::{
    hostile::open,
    lab::{Lab, PATIENCE},
};

fn network(lab: &Lab) -> HyperNetwork {
    let dht = lab.bootstrap().to_owned();
    let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    HyperNetwork::with(move |node| {
        node.bind(local)
            .bootstrap([&dht])
            .idle_timeout(Duration::from_secs(6))
    })
}

pub(crate) fn peers(lab: &Lab) -> PeerSocketsBuilder {
    PeerSockets::builder(network(lab))
}

pub(crate) fn room() -> SwarmId {
    SwarmId::open("room")
}

pub(crate) async fn socket(swarm: &Swarm) -> PeerSocket {
    timeout(PATIENCE, swarm.next_socket()).await.unwrap()
}

async fn until(mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

async fn closed(socket: &PeerSocket) -> CloseReason {
    timeout(PATIENCE, socket.closed()).await.unwrap()
}

#[tokio::test]
async fn peers_meet_on_a_topic_and_know_each_other_by_key_and_address() {
    let lab = Lab::new().await;
    let (alice, bob) = (peers(&lab).build().unwrap(), peers(&lab).build().unwrap());
    let data = json!({ "name": "alice" });
    let a = alice.join_with(room(), data.clone()).await.unwrap();
    let b = bob.join(room()).await.unwrap();
    let (to_b, to_a) = (socket(&a).await, socket(&b).await);
    assert_eq!(
        (to_a.id(), to_b.id()),
        (alice.public_key(), bob.public_key())
    );
    assert_ne!(to_a.is_initiator(), to_b.is_initiator());
    assert!(to_a.address().unwrap().ip().is_loopback());
    assert!(to_b.address().unwrap().ip().is_loopback());
    assert_eq!(*to_a.session_data().borrow(), Some(data));
    for message in [
        Message::from(json!(0)),
        Message::from(json!(null)),
        Message::from(vec![7; 1 << 20]),
    ] {
        to_b.send(message.clone()).await.unwrap();
        let came = timeout(PATIENCE, to_a.recv()).await.unwrap();
        assert_eq!(came, Some(Ok(message)));
    }
}

#[tokio::test]
async fn a_peer_that_closes_its_swarm_or_drops_it_has_ended_the_socket() {
    let lab = Lab::new().await;
    let (alice, bob) = (peers(&lab).build().unwrap(), peers(&lab).build().unwrap());
    let a = alice.join(room()).await.unwrap();
    let mut incoming = a.incoming();
    for closes in [true, false] {
        let b = bob.join(room()).await.unwrap();
        let to_b = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
        socket(&b).await;
        match closes {
            true => b.close().await,
            false => drop(b),
        }
        assert_eq!(closed(&to_b).await, CloseReason::Remote);
        assert!(a.sockets().is_empty());
    }
}

#[tokio::test]
async fn a_peer_that_ends_its_connection_is_told_from_one_that_is_gone() {
    let lab = Lab::new().await;
    let alice = peers(&lab).build().unwrap();
    let a = alice.join(room()).await.unwrap();
    let node = lab.node(9).await;
    // Without closing the channel first.
    let mut messages = open(&node, alice.public_key()).await;
    let socket_to_it = socket(&a).await;
    messages.close().await.unwrap();
    assert_eq!(closed(&socket_to_it).await, CloseReason::Remote);

    drop(messages);
    let _messages = open(&node, alice.public_key()).await;
    let socket_to_it = socket(&a).await;
    // All is cut without a word.
    node.close().await;
    assert_eq!(closed(&socket_to_it).await, CloseReason::Timeout);
}

#[tokio::test]
async fn who_is_not_let_in_gets_no_connection_and_who_is_let_in_is_asked_about_once() {
    let lab = Lab::new().await;
    let bob = peers(&lab).build().unwrap();
    let mallory = peers(&lab).build().unwrap();
    let asked: Arc<[AtomicUsize; 2]> = Arc::default();
    let (count, friend) = (asked.clone(), bob.public_key());
    let alice = peers(&lab)
        .authorize(move |peer| {
            let is_friend = peer.id == friend;
            count[usize::from(is_friend)].fetch_add(1, Ordering::Relaxed);
            async move { is_friend }
        })
        .build()
        .unwrap();
    let a = alice.join(room()).await.unwrap();
    let m = mallory.join(room()).await.unwrap();
    until(|| asked[0].load(Ordering::Relaxed) > 1).await;
    let b = bob.join(room()).await.unwrap();
    let to_b = socket(&a).await;
    assert_eq!(to_b.id(), friend);
    until(|| b.sockets().len() == 2 && m.sockets().len() == 1).await;
    assert_eq!(m.sockets()[0].id(), friend);
    assert_eq!(a.sockets(), [to_b]);
    // Both may have dialed, and of the second it is asked too.
    assert!(asked[1].load(Ordering::Relaxed) <= 2);
}

#[tokio::test]
async fn two_swarms_of_the_same_peers_share_a_connection_and_their_messages_do_not_cross() {
    let lab = Lab::new().await;
    let (alice, bob) = (peers(&lab).build().unwrap(), peers(&lab).build().unwrap());
    let rooms = [room(), SwarmId::open("other")];
    let mut sockets: Vec<(PeerSocket, PeerSocket)> = Vec::new();
    let mut swarms = Vec::new();
    for room in &rooms {
        let a = alice.join(room.clone()).await.unwrap();
        let b = bob.join(room.clone()).await.unwrap();
        sockets.push((socket(&a).await, socket(&b).await));
        swarms.push((a, b));
    }
    assert_eq!(sockets[0].0.address(), sockets[1].0.address());
    for (n, (to_b, _)) in sockets.iter().enumerate() {
        to_b.send(json!(n)).await.unwrap();
    }
    for (n, (_, to_a)) in sockets.iter().enumerate().rev() {
        let came = timeout(PATIENCE, to_a.recv()).await.unwrap();
        assert_eq!(came, Some(Ok(json!(n).into())));
    }
    swarms[0].0.close().await;
    assert_eq!(closed(&sockets[0].1).await, CloseReason::Remote);
    sockets[1].1.send(json!("still")).await.unwrap();
    let came = timeout(PATIENCE, sockets[1].0.recv()).await.unwrap();
    assert_eq!(came, Some(Ok(json!("still").into())));
}

#[tokio::test]
async fn who_has_left_is_found_by_nobody() {
    let lab = Lab::new().await;
    let alice = peers(&lab).build().unwrap();
    let stays = alice.join(SwarmId::open("stays")).await.unwrap();
    let a = alice.join(room()).await.unwrap();
    let looks = lab.node(1).await;
    let found = async |swarm: &Swarm| -> Vec<PublicKey> {
        let topic = Topic::from_bytes(*swarm.topic().as_bytes());
        looks.lookup(topic).await.unwrap()
    };
    let announced = async {
        while found(&a).await.is_empty() || found(&stays).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, announced).await.unwrap();
    a.close().await;
    assert_eq!(found(&a).await, []);
    assert_eq!(found(&stays).await, [alice.public_key()]);
    stays.close().await;
    assert_eq!(found(&stays).await, []);
}
