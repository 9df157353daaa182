//! PeerSocket with a peer that speaks it with npm's protomux over npm's hyperswarm.

mod mesh;

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tower_multiserver::peer_socket::{
    CloseReason, HyperNetwork, Message, PeerSocket, PeerSockets, Swarm, SwarmEvent, SwarmId,
};

use super::{LOCAL, Npm, hex_key};
use crate::harness::PATIENCE;

/// How long what is to happen at once may take on a busy machine.
const SOON: Duration = Duration::from_secs(5);

fn peers(dht: &[String]) -> PeerSockets {
    let dht = dht.to_vec();
    let network = HyperNetwork::with(move |node| {
        node.bind(LOCAL)
            .bootstrap(&dht)
            .idle_timeout(Duration::from_secs(5))
    });
    PeerSockets::builder(network).build().unwrap()
}

fn hex(swarm: &Swarm) -> String {
    hex::encode(swarm.loopback().id().as_bytes())
}

/// A swarm with the npm peer in it.
struct Room {
    job: u64,
    swarm: Swarm,
    socket: PeerSocket,
    peers: PeerSockets,
}

/// Enters a room with the npm peer, that of seed 2, which is dialed or dials.
async fn enter(npm: &mut Npm, dht: &[String], npm_listens: bool) -> Room {
    let peers = peers(dht);
    let swarm = peers.join_with(SwarmId::open("room"), json!({ "name": "ours" }));
    let swarm = swarm.await.unwrap();
    if !npm_listens {
        // It looks once.
        is_found(npm, &swarm).await;
    }
    let options = json!({ "server": npm_listens, "client": !npm_listens });
    let session_data = json!({ "name": "theirs" });
    let command =
        json!({ "seed": 2, "name": "room", "sessionData": session_data, "options": options });
    let job = npm.tell("enter", command).await;
    let socket = timeout(PATIENCE, swarm.next_socket()).await.unwrap();
    assert_eq!(socket.is_initiator(), npm_listens);
    assert_eq!(hex::encode(socket.id().as_bytes()), hex_key(2));
    // Known with the socket.
    assert_eq!(*socket.session_data().borrow(), Some(session_data));
    let connect = npm.event(job, "connect").await;
    assert_eq!(connect["key"], hex(&swarm));
    assert_eq!(connect["sessionData"], json!({ "name": "ours" }));
    Room {
        job,
        swarm,
        socket,
        peers,
    }
}

/// Waits until npm finds us on the topic.
async fn is_found(npm: &mut Npm, swarm: &Swarm) {
    let found = async {
        loop {
            let look = json!({ "topic": swarm.topic().to_string() });
            let job = npm.tell("lookup", look).await;
            let found = npm.event(job, "found").await;
            if found["keys"]
                .as_array()
                .unwrap()
                .contains(&json!(hex(swarm)))
            {
                break;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("it is announced");
}

async fn recv(socket: &PeerSocket) -> Message {
    let message = timeout(PATIENCE, socket.recv()).await.unwrap();
    message.expect("it is open").unwrap()
}

async fn closed(socket: &PeerSocket) -> CloseReason {
    timeout(SOON, socket.closed()).await.unwrap()
}

both_ways! {
    async fn messages_of_each_kind_and_session_data_that_changes_arrive(npm, dht, npm_listens) {
        let room = enter(&mut npm, &dht, npm_listens).await;
        for value in [json!(0), json!(""), json!(false), json!(null), json!([]), json!({ "text": "žluť 👋" })] {
            room.socket.send(value.clone()).await.unwrap();
            let came = npm.event(room.job, "message").await;
            assert_eq!(came["json"], value);
            npm.tell("say", json!({ "room": room.job, "json": value })).await;
            assert_eq!(recv(&room.socket).await, Message::Json(value));
        }
        for bytes in [vec![], vec![1, 2, 3], vec![7; 1_000_000]] {
            room.socket.send(bytes.clone()).await.unwrap();
            let came = npm.event(room.job, "message").await;
            assert_eq!(came["hash"], hex::encode(Sha256::digest(&bytes)));
            npm.tell("say", json!({ "room": room.job, "hex": hex::encode(&bytes) })).await;
            assert_eq!(recv(&room.socket).await, bytes.into());
        }
        let mut theirs = room.socket.session_data();
        npm.tell("describe", json!({ "room": room.job, "sessionData": "busy" })).await;
        timeout(PATIENCE, theirs.wait_for(|data| *data == Some(json!("busy")))).await.unwrap().unwrap();
        room.swarm.loopback().set_session_data(json!(null)).unwrap();
        assert_eq!(npm.event(room.job, "session-data").await["sessionData"], json!(null));
    }

    async fn two_hundred_messages_of_20_kb_arrive_whole_and_in_order_each_way_at_once(npm, dht, npm_listens) {
        const COUNT: usize = 200;
        let room = enter(&mut npm, &dht, npm_listens).await;
        let flood = json!({ "room": room.job, "count": COUNT, "size": 20_000 });
        let flood = npm.tell("flood", flood).await;
        let (sink, stream) = room.socket.split();
        let send = async {
            let mut sent = Vec::new();
            for n in 0..COUNT {
                let bytes: Vec<u8> = (0..20_000).map(|at| (at * 31 / 7 + n) as u8).collect();
                sent.push(json!(hex::encode(Sha256::digest(&bytes))));
                sink.socket().send(bytes).await.unwrap();
            }
            sent
        };
        let receive = async {
            let came = stream.take(COUNT).map(|message| match message.unwrap() {
                Message::Bytes(bytes) => json!(hex::encode(Sha256::digest(&bytes))),
                other => panic!("{other:?}"),
            });
            came.collect::<Vec<_>>().await
        };
        let (sent, came) = tokio::join!(send, receive);
        assert_eq!(npm.event(flood, "flooded").await["hashes"], json!(came));
        for hash in sent {
            assert_eq!(npm.event(room.job, "message").await["hash"], hash);
        }
    }

    async fn a_connection_that_npm_destroys_is_a_reset_and_a_socket_that_it_closes_is_closed_by_the_peer(npm, dht, npm_listens) {
        for (act, reason) in [("hang_up", CloseReason::Remote), ("destroy", CloseReason::Reset)] {
            let mut npm = npm.beside().await;
            let room = enter(&mut npm, &dht, npm_listens).await;
            npm.tell(act, json!({ "room": room.job })).await;
            assert_eq!(closed(&room.socket).await, reason);
            assert!(room.swarm.sockets().iter().all(|socket| *socket != room.socket));
            npm.kill().await;
        }
    }

    async fn npm_sees_at_once_that_a_socket_is_closed_or_dropped_with_its_swarm(npm, dht, npm_listens) {
        for closes in [true, false] {
            let mut npm = npm.beside().await;
            let room = enter(&mut npm, &dht, npm_listens).await;
            let job = room.job;
            match closes {
                true => room.swarm.close().await,
                false => drop(room),
            }
            let close = timeout(SOON, npm.event(job, "socket-close")).await.unwrap();
            // A drop does not wait for the word of it to be sent.
            assert!(!closes || close["reason"] == "remote", "{close}");
            let over = npm.event(job, "connection-close");
            timeout(SOON, over).await.expect("the connection ends too");
            npm.kill().await;
        }
    }

    async fn two_swarms_go_over_one_connection_and_a_stranger_to_a_third_does_not_open_it(npm, dht, npm_listens) {
        let room = enter(&mut npm, &dht, npm_listens).await;
        let other = room.peers.join(SwarmId::open("other")).await.unwrap();
        let secret = room.peers.join(SwarmId::open("secret")).await.unwrap();
        let options = json!({ "server": false, "client": false });
        let job = npm.tell("enter", json!({ "seed": 2, "name": "other", "options": options })).await;
        let to_other = timeout(PATIENCE, other.next_socket()).await.unwrap();
        assert_eq!(to_other.address(), room.socket.address());
        npm.event(job, "connect").await;
        for (socket, job, text) in [(&to_other, job, "other"), (&room.socket, room.job, "room")] {
            socket.send(json!(text)).await.unwrap();
            npm.tell("say", json!({ "room": job, "json": text })).await;
        }
        for (socket, job, text) in [(&room.socket, room.job, "room"), (&to_other, job, "other")] {
            assert_eq!(npm.event(job, "message").await["json"], text);
            assert_eq!(recv(socket).await, json!(text).into());
        }
        let guess = npm.tell("guess", json!({ "room": job, "name": "secret" })).await;
        let guessed = npm.event(guess, "guessed").await;
        assert_eq!(guessed["opened"], json!([false, false, false]));
        assert!(secret.sockets().is_empty());
        // Closing one leaves the other.
        other.close().await;
        assert_eq!(npm.event(job, "socket-close").await["reason"], "remote");
        room.socket.send(json!("still")).await.unwrap();
        assert_eq!(npm.event(room.job, "message").await["json"], "still");
    }

    async fn bytes_that_do_not_decrypt_end_the_connection_and_the_swarm_goes_on(npm, dht, npm_listens) {
        let mut random = fastrand::Rng::with_seed(1);
        let mut other = npm.beside().await;
        for round in 0..8 {
            let room = enter(&mut other, &dht, npm_listens).await;
            let bytes: Vec<u8> = (0..1 << (2 * round)).map(|_| random.u8(..)).collect();
            // A frame of that length, or what claims to be any.
            let length = match round % 2 {
                0 => u32::try_from(bytes.len()).unwrap().to_le_bytes()[..3].to_vec(),
                _ => vec![0x20, 0, 0],
            };
            let bytes = [length, bytes, vec![0; 64]].concat();
            other.tell("spoil", json!({ "room": room.job, "hex": hex::encode(bytes) })).await;
            let reason = closed(&room.socket).await;
            assert_eq!(reason, CloseReason::Reset, "round {round}");
            other.kill().await;
            other = npm.beside().await;
            assert!(room.swarm.sockets().is_empty());
        }
    }
}

#[tokio::test]
async fn who_has_left_a_swarm_is_not_found_by_npm() {
    let Some(mut npm) = Npm::start() else { return };
    let dht = npm.testnet().await;
    let swarm = peers(&dht).join(SwarmId::open("left")).await.unwrap();
    is_found(&mut npm, &swarm).await;
    swarm.close().await;
    // By one that has not looked before.
    let mut fresh = npm.beside().await;
    let look = json!({ "topic": swarm.topic().to_string() });
    let job = fresh.tell("lookup", look).await;
    assert_eq!(fresh.event(job, "found").await["keys"], json!([]));
}
