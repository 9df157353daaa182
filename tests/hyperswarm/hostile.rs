//! Peers of PeerSocket, and nodes of the DHT, that break the rules.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use peeroxide_dht::{
    hyperdht_messages::LOOKUP,
    messages::{
        Ipv4Peer, Message as DhtMessage, Response, decode_message, encode_response_to_bytes,
    },
    peer::peer_id,
};
use serde_json::json;
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};
use tower_multiserver::{
    Error, Peer, PublicKey, StackExt as _,
    hyperswarm::{HyperDht, HyperMessages, HyperNode, Topic},
    peer_socket::Message,
};

use crate::{
    lab::{Lab, PATIENCE, identity, local, pair, serve},
    sockets::{peers, room, socket},
};

/// How many panics there are from now on in whatever task of this test. They all run on its thread; other tests, one of which
/// panics on purpose, run on others.
fn panics() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (count, here) = (panics.clone(), std::thread::current().id());
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            count.fetch_add(1, Ordering::Relaxed);
        }
        usual(info);
    }));
    panics
}

/// A connection to a peer on which its first channel is open.
pub(crate) async fn open(node: &HyperNode, peer: PublicKey) -> HyperMessages {
    let stack = HyperDht::new(node.clone());
    let address = format!("hyperdht:{}", hex::encode(peer.as_bytes()));
    // The last connection may not be over there yet.
    let dialed = loop {
        match stack.dial(address.as_str()).await {
            Ok(dialed) => break dialed,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    };
    let mut messages = dialed.into_parts().0.into_messages();
    // Of the same protocol and id.
    if let Some(Ok(open)) = messages.next().await {
        let _ = messages.send(open).await;
    }
    messages
}

#[tokio::test]
async fn random_messages_of_a_peer_end_its_connection_and_harm_nobody_else() {
    let panics = panics();
    let lab = Lab::new().await;
    let (alice, bob) = (peers(&lab).build().unwrap(), peers(&lab).build().unwrap());
    let a = alice.join(room()).await.unwrap();
    let b = bob.join(room()).await.unwrap();
    let to_b = socket(&a).await;
    let to_a = timeout(PATIENCE, b.next_socket()).await.unwrap();
    let mallory = lab.node(9).await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut sent = 0;
    for _ in 0..40 {
        let mut messages = open(&mallory, alice.public_key()).await;
        for _ in 0..200 {
            let bits = random.u32(..12);
            let length = random.usize(..1 << bits);
            let mut message: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            // What is read as something, most of the time.
            let begin: &[u8] = random
                .choice([&[1, 0][..], &[1, 1], &[0, 0], &[0, 1, 2], &[0, 3], &[]])
                .unwrap();
            message.splice(..begin.len().min(message.len()), begin.iter().copied());
            if messages.send(Bytes::from(message)).await.is_err() {
                break;
            }
            sent += 1;
        }
        let _ = timeout(Duration::from_secs(2), messages.close()).await;
    }
    assert!(sent > 100, "{sent}");
    to_b.send(json!("still here")).await.unwrap();
    let came = timeout(PATIENCE, to_a.recv()).await.unwrap();
    assert_eq!(came, Some(Ok(Message::Json(json!("still here")))));
    assert_eq!(panics.load(Ordering::Relaxed), 0);
}

/// Each of them comes by several nodes of the DHT.
#[tokio::test]
async fn a_slow_authorization_is_asked_once_for_each_dial() {
    let lab = Lab::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let node = lab.builder(1).authorize(move |_: Peer| {
        count.fetch_add(1, Ordering::Relaxed);
        async {
            // It takes its time.
            sleep(Duration::from_millis(200)).await;
            Ok::<_, Error>(())
        }
    });
    let mut server = serve(node.spawn().await.unwrap()).await;
    for (seed, dials) in [(2, 1), (3, 2)] {
        pair(&lab, &mut server, seed).await;
        assert_eq!(asked.load(Ordering::Relaxed), dials);
    }
}

/// Real time, since a paused clock would run ahead of the sockets: five seconds.
#[tokio::test]
async fn an_authorization_that_never_answers_keeps_nobody_else_out_for_long() {
    let lab = Lab::new().await;
    let friend = identity(2).public_key();
    let node = lab.builder(1).authorize(move |peer: Peer| async move {
        match peer.key == friend {
            true => Ok::<_, Error>(()),
            false => std::future::pending().await,
        }
    });
    let mut server = serve(node.spawn().await.unwrap()).await;
    let to = server.node.section().to_string();
    // More than are answered at once.
    let stranger = HyperDht::new(lab.node(3).await).dial_timeout(Duration::from_secs(1));
    let crowd = join_all((0..100).map(|_| stranger.dial(to.as_str())));
    assert!(crowd.await.iter().all(Result::is_err));
    let stack = HyperDht::new(lab.node(2).await);
    let meet = async { while stack.dial(to.as_str()).await.is_err() {} };
    let both = async { tokio::join!(meet, server.incoming.next()).1 };
    let accepted = timeout(PATIENCE, both).await.unwrap().unwrap();
    assert_eq!(accepted.unwrap().info().remote_key(), Some(friend));
}

/// A node of the DHT that has the same to say to whatever it is asked, and counts who looked a topic up.
async fn answers(socket: UdpSocket, value: Vec<u8>, lookups: &AtomicUsize) {
    let ours = socket.local_addr().unwrap();
    let id = peer_id(&ours.ip().to_string(), ours.port());
    let mut space = [0; 2000];
    loop {
        let (length, from) = socket.recv_from(&mut space).await.unwrap();
        let Ok(DhtMessage::Request(request)) = decode_message(&space[..length]) else {
            continue;
        };
        if !request.internal && request.command == LOOKUP {
            lookups.fetch_add(1, Ordering::Relaxed);
        }
        let answer = Response {
            tid: request.tid,
            to: Ipv4Peer {
                host: from.ip().to_string(),
                port: from.port(),
            },
            id: Some(id),
            token: None,
            closer_nodes: Vec::new(),
            error: 0,
            value: Some(value.clone()),
        };
        let answer = encode_response_to_bytes(&answer).unwrap();
        socket.send_to(&answer, from).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_claims_to_know_more_peers_than_there_is_memory_for_knows_none() {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for count in [u64::MAX, 1 << 40] {
        let socket = UdpSocket::bind(at).await.unwrap();
        let bootstrap = socket.local_addr().unwrap();
        let (claim, lookups) = (
            [&[0xff], &count.to_le_bytes()[..]].concat(),
            AtomicUsize::new(0),
        );
        let looked_up = async {
            let node = local(identity(1))
                .bootstrap([bootstrap])
                .spawn()
                .await
                .unwrap();
            node.lookup(Topic::from_bytes([7; 32])).await.unwrap()
        };
        let found = tokio::select! {
            found = timeout(PATIENCE, looked_up) => found.unwrap(),
            () = answers(socket, claim, &lookups) => unreachable!("it answers without end"),
        };
        assert_eq!(found, []);
        assert!(lookups.load(Ordering::Relaxed) > 0, "it was asked");
    }
}
