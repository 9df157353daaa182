//! Swarms over addresses, without any other network.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, timeout},
};
use tower::ServiceBuilder;
use tower_multiserver::{
    ACCEPT_TIMEOUT, Identity, MultiServer, Shutdown, StackExt as _,
    channel::Channel,
    net::Net,
    peer_socket::{AddressNetwork, PeerSockets},
    shs::ShsLayer,
    ws::Ws,
};

use crate::lab::{PATIENCE, json, peers, recv, room, socket, until};

/// Peers within the program, by names.
fn over(channel: &Channel) -> AddressNetwork {
    let channel = channel.clone();
    AddressNetwork::new(move |identity| {
        let shs = ShsLayer::new(identity);
        MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(channel.clone()))
    })
    .redial(Duration::from_millis(1))
}

fn over_sockets(identity: Identity) -> MultiServer {
    let shs = ShsLayer::new(identity);
    MultiServer::new()
        .stack(ServiceBuilder::new().layer(shs.clone()).service(Net::new()))
        .stack(ServiceBuilder::new().layer(shs).service(Ws::new()))
}

#[tokio::test]
async fn peers_on_several_protocols_form_one_swarm() {
    let at_hub = AddressNetwork::new(over_sockets);
    let at_hub = at_hub
        .listen("net:127.0.0.1:0~shs;ws://127.0.0.1:0~shs")
        .unwrap();
    let hub = peers(at_hub.clone());
    let swarm = hub.join(room()).await.unwrap();
    let addresses = at_hub.addresses(&hub.public_key());
    assert_eq!(addresses.len(), 2);
    let mut others = Vec::new();
    for (_, address) in addresses {
        let network = AddressNetwork::new(over_sockets);
        network.add_peer(address).unwrap();
        others.push(peers(network).join(room()).await.unwrap());
    }
    let mut incoming = swarm.incoming();
    for _ in &others {
        let socket = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
        assert!(!socket.is_initiator() && socket.address().is_some());
        socket.send(json!("welcome")).await.unwrap();
    }
    for other in &others {
        let to_hub = socket(other).await;
        assert_eq!(to_hub.id(), hub.public_key());
        assert!(to_hub.is_initiator() && to_hub.address().is_some());
        assert_eq!(json(&to_hub).await, json!("welcome"));
    }
    swarm.close().await;
    assert!(at_hub.addresses(&hub.public_key()).is_empty());
    until(|| others.iter().all(|other| other.sockets().is_empty())).await;
}

#[tokio::test]
async fn two_who_dial_each_other_at_once_have_one_socket_and_lose_nothing() {
    for round in 0..100 {
        let channel = Channel::new();
        let [left, right] = ["left", "right"].map(|name| {
            let network = over(&channel)
                .listen(&*format!("channel:{name}~shs"))
                .unwrap();
            let peers = peers(network.clone());
            (network, peers)
        });
        for (network, key, name) in [
            (&left.0, right.1.public_key(), "right"),
            (&right.0, left.1.public_key(), "left"),
        ] {
            network
                .add_peer(&*format!("channel:{name}~shs:{key}"))
                .unwrap();
        }
        let (a, b) = tokio::join!(left.1.join(room()), right.1.join(room()));
        let (a, b) = (a.unwrap(), b.unwrap());
        let mut came = [a.incoming(), b.incoming()];
        let (to_b, to_a) = (socket(&a).await, socket(&b).await);
        assert_eq!(to_b.is_initiator(), !to_a.is_initiator(), "round {round}");
        for n in 0..20 {
            to_b.send(json!(n)).await.unwrap();
            to_a.send(json!(-n)).await.unwrap();
        }
        for n in 0..20 {
            assert_eq!(json(&to_a).await, json!(n), "round {round}");
            assert_eq!(json(&to_b).await, json!(-n), "round {round}");
        }
        assert_eq!((a.sockets(), b.sockets()), (vec![to_b], vec![to_a]));
        for incoming in &mut came {
            assert!(incoming.next().await.is_some());
        }
        tokio::join!(a.close(), b.close());
        for incoming in &mut came {
            assert_eq!(incoming.next().await, None, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_comes_back_is_dialed_again() {
    let channel = Channel::new();
    let bob = peers(over(&channel).listen("channel:bob~shs").unwrap());
    let network = over(&channel);
    // Before it is there.
    network
        .add_peer(&*format!("channel:bob~shs:{}", bob.public_key()))
        .unwrap();
    let a = peers(network).join(room()).await.unwrap();
    let mut incoming = a.incoming();
    for round in 0..3 {
        let b = bob.join(room()).await.unwrap();
        let to_b = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
        let to_a = socket(&b).await;
        to_a.send(json!(round)).await.unwrap();
        assert_eq!(json(&to_b).await, json!(round));
        b.close().await;
        assert_eq!(recv(&to_b).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_accepts_and_drops_at_once_is_dialed_ever_more_rarely() {
    let channel = Channel::new();
    let mallory = Identity::generate().unwrap();
    let address = format!("channel:mallory~shs:{}", mallory.public_key());
    let shs = ServiceBuilder::new().layer(ShsLayer::new(mallory));
    let (_shutdown, closing) = Shutdown::new();
    let incoming = shs
        .service(channel.clone())
        .listen("channel:mallory~shs", closing);
    let mut incoming = incoming.await.unwrap();
    // A second at first, as where nothing is set.
    let network = over(&channel).redial(Duration::from_secs(1));
    network.add_peer(&*address).unwrap();
    let swarm = peers(network).join(room()).await.unwrap();
    let mut dials = 0;
    let hour = async {
        loop {
            drop(incoming.next().await.unwrap().unwrap());
            dials += 1;
        }
    };
    let hour: Result<(), _> = timeout(Duration::from_secs(3600), hour).await;
    hour.unwrap_err();
    // Each pause is that or up to twice as long, and of a minute at last.
    assert!((30..=70).contains(&dials), "{dials}");
    assert!(swarm.sockets().is_empty());
}

#[tokio::test]
async fn our_own_address_is_let_be() {
    let channel = Channel::new();
    let network = over(&channel).listen("channel:us~shs").unwrap();
    let us = PeerSockets::builder(network.clone()).build().unwrap();
    let address = format!("channel:us~shs:{}", us.public_key());
    network.add_peer(&*address).unwrap();
    let swarm = us.join(room()).await.unwrap();
    // Another, of the same list, is met.
    let other = over(&channel);
    other.add_peer(&*address).unwrap();
    let other = peers(other).join(room()).await.unwrap();
    assert_eq!(socket(&other).await.id(), us.public_key());
    assert_eq!(socket(&swarm).await.id(), other.loopback().id());
    assert_eq!(swarm.sockets().len(), 1);
}

#[tokio::test]
async fn who_proves_no_key_is_not_met() {
    let channel = Channel::new();
    let here = channel.clone();
    let network = AddressNetwork::new(move |_| MultiServer::new().stack(here.clone()));
    let network = network.listen("channel:open").unwrap();
    let swarm = peers(network).join(room()).await.unwrap();
    let stranger = MultiServer::new().stack(channel);
    let mut connection = stranger.dial("channel:open").await.unwrap();
    let mut bytes = Vec::new();
    let read = connection.read_to_end(&mut bytes);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(bytes.is_empty() && swarm.sockets().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_connects_and_says_nothing_keeps_nobody_out() {
    let channel = Channel::new();
    let bob = peers(over(&channel).listen("channel:bob~shs").unwrap());
    let swarm = bob.join(room()).await.unwrap();
    let address = format!("channel:bob~shs:{}", bob.public_key());
    let mallory = ShsLayer::new(Identity::generate().unwrap());
    let mallory = ServiceBuilder::new()
        .layer(mallory)
        .service(channel.clone());
    let mut crowd = Vec::new();
    for _ in 0..65 {
        crowd.push(mallory.dial(&*address).await.unwrap());
    }
    // The oldest made room for the last, long before its time was over.
    let began = Instant::now();
    let mut greeting = Vec::new();
    let _ = crowd[0].read_to_end(&mut greeting).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    let network = over(&channel);
    network.add_peer(&*address).unwrap();
    let alice = peers(network).join(room()).await.unwrap();
    socket(&alice).await;
    assert_eq!(socket(&swarm).await.id(), alice.loopback().id());
    assert_eq!(began.elapsed(), Duration::ZERO);
    // And the others at its end.
    let _ = crowd[64].read_to_end(&mut greeting).await;
    assert_eq!(began.elapsed(), ACCEPT_TIMEOUT);
}
