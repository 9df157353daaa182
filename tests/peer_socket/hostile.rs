//! Peers that break the rules.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tower_multiserver::{
    Identity, PublicKey,
    peer_socket::{CloseReason, Malformed, PeerSockets, Swarm, SwarmId},
};

use crate::lab::{Lab, Wire, json, peers, recv, room, socket, unless_stuck, until};

fn stranger() -> PublicKey {
    Identity::generate().unwrap().public_key()
}

/// A swarm, and a connection to it on which its channel is open, as number one.
async fn opened() -> (Swarm, Wire) {
    let lab = Lab::default();
    let alice = peers(lab.clone());
    let swarm = alice.join(room()).await.unwrap();
    let mut wire = lab.wire(alice.public_key(), stranger()).await;
    let (open, _) = wire.opening().await;
    wire.send(&open).await;
    (swarm, wire)
}

/// A message of the type `kind` on channel one, with these fields in it.
fn message(kind: u8, content: &[u8], content_type: &str) -> Vec<u8> {
    let mut frame = vec![1, kind, 0x12];
    // Lengths of two bytes, which may be longer than they must.
    frame.extend([content.len() as u8 | 0x80, (content.len() >> 7) as u8]);
    frame.extend(content);
    frame.extend([0x1a, content_type.len() as u8]);
    frame.extend(content_type.as_bytes());
    frame
}

#[tokio::test]
async fn an_outsider_neither_opens_the_channel_nor_learns_the_topic() {
    let lab = Lab::default();
    let alice = peers(lab.clone());
    let swarm = alice.join(SwarmId::open("secret room")).await.unwrap();
    let mut wire = lab.wire(alice.public_key(), stranger()).await;
    let (open, id) = wire.opening().await;
    let topic = swarm.topic();
    // Not even who sees the wire.
    assert!(!open.windows(32).any(|bytes| bytes == topic.as_bytes()));
    // Another id, and the topic itself, are refused.
    for (number, guess) in [(1, [7; 32]), (2, *topic.as_bytes())] {
        let mut guessed = open.clone();
        guessed[2] = number;
        let at = open.len() - 1 - 32;
        guessed[at..at + 32].copy_from_slice(&guess);
        wire.send(&guessed).await;
        assert_eq!(wire.frame().await.unwrap(), [0, 2, number]);
    }
    // The id is of no use on another connection.
    let mut other = lab.wire(alice.public_key(), stranger()).await;
    let (other_open, other_id) = other.opening().await;
    assert_ne!(other_id, id);
    other.send(&open).await;
    assert_eq!(other.frame().await.unwrap(), [0, 2, 1]);
    assert!(swarm.sockets().is_empty());
    // While that of this connection is.
    let mut right = other_open;
    right[2] = 1;
    other.send(&right).await;
    socket(&swarm).await;
}

#[tokio::test]
async fn session_data_of_257_bytes_costs_the_socket_and_is_not_cut() {
    let (swarm, mut wire) = opened().await;
    let to_mallory = socket(&swarm).await;
    let data = json!("x".repeat(255)).to_string();
    wire.send(&message(1, data.as_bytes(), "application/json"))
        .await;
    let reason = to_mallory.closed().await;
    assert_eq!(reason, CloseReason::Protocol(Malformed::SessionData));
    assert_eq!(*to_mallory.session_data().borrow(), None);
    // The channel is closed, the connection is not.
    assert_eq!(wire.frame().await.unwrap(), [0, 3, 1]);
    assert!(swarm.sockets().is_empty());
}

#[tokio::test]
async fn messages_that_are_none_cost_the_socket() {
    for (frame, malformed) in [
        (message(0, b"{", "application/json"), Malformed::Json),
        (vec![1, 0, 0x12, 5, 0], Malformed::Frame),
        (vec![1, 0], Malformed::Frame),
        (
            message(1, b"not json", "application/json"),
            Malformed::SessionData,
        ),
    ] {
        let (swarm, mut wire) = opened().await;
        let to_mallory = socket(&swarm).await;
        wire.send(&frame).await;
        match malformed {
            // Is read by who takes the message.
            Malformed::Json => assert_eq!(recv(&to_mallory).await, Some(Err(malformed))),
            _ => assert_eq!(recv(&to_mallory).await, None),
        }
        assert_eq!(to_mallory.closed().await, CloseReason::Protocol(malformed));
        assert_eq!(wire.frame().await.unwrap(), [0, 3, 1]);
    }
}

#[tokio::test]
async fn a_message_above_the_maximum_costs_the_socket() {
    let lab = Lab::default();
    let alice = PeerSockets::builder(lab.clone())
        .max_message(300)
        .build()
        .unwrap();
    let swarm = alice.join(room()).await.unwrap();
    let mut wire = lab.wire(alice.public_key(), stranger()).await;
    let (open, _) = wire.opening().await;
    wire.send(&open).await;
    let to_mallory = socket(&swarm).await;
    wire.send(&message(0, &[7; 300], "x/y")).await;
    assert!(matches!(recv(&to_mallory).await, Some(Ok(_))));
    wire.send(&message(0, &[7; 301], "x/y")).await;
    assert_eq!(recv(&to_mallory).await, None);
    let reason = to_mallory.closed().await;
    assert_eq!(reason, CloseReason::Protocol(Malformed::TooLong));
}

#[tokio::test]
async fn frames_that_are_none_cost_the_connection() {
    for (bytes, malformed) in [
        (&b"\xff\xff\xff"[..], Malformed::TooLong),
        (b"\x03\0\0\xff\0\0", Malformed::Frame),
        (b"\x02\0\0\0\x01", Malformed::Frame),
        // A refusal of what was never opened.
        (b"\x03\0\0\0\x02\x09", Malformed::Channel),
    ] {
        let (swarm, mut wire) = opened().await;
        let to_mallory = socket(&swarm).await;
        tokio::io::AsyncWriteExt::write_all(&mut wire.0, bytes)
            .await
            .unwrap();
        let reason = to_mallory.closed().await;
        assert_eq!(reason, CloseReason::Protocol(malformed));
        assert_eq!(wire.frame().await, None);
    }
}

#[tokio::test]
async fn types_of_messages_that_we_do_not_know_are_passed_over() {
    let (swarm, mut wire) = opened().await;
    let to_peer = socket(&swarm).await;
    wire.send(&message(7, b"whatever", "x")).await;
    wire.send(b"\0\x09what").await;
    wire.send(&message(0, b"1", "application/json")).await;
    assert_eq!(json(&to_peer).await, json!(1));
}

#[tokio::test]
async fn who_opens_without_end_and_does_not_read_is_not_read_either() {
    let lab = Lab::default();
    let alice = peers(lab.clone());
    let swarm = alice.join(room()).await.unwrap();
    let to = alice.public_key();
    let mut wire = lab.narrow_wire(to, stranger(), 4096).await;
    let (open, _) = wire.opening().await;
    let mut guess = open.clone();
    let len = guess.len();
    guess[len - 2] ^= 1;
    // Each is refused. The answers fill the connection, then what waits for it, and then nothing more is read.
    let mut sent = 0;
    while unless_stuck(wire.send(&guess)).await.is_some() {
        sent += 1;
        assert!(sent < 10_000, "all is read");
    }
    assert!(sent > 1000, "{sent}");
    // Until the answers are taken.
    assert_eq!(wire.frame().await.unwrap()[..2], [0, 2]);
    assert!(swarm.sockets().is_empty());
}

#[tokio::test]
async fn who_is_not_authorized_hears_nothing_and_takes_no_place() {
    let lab = Lab::default();
    let friend = stranger();
    let alice = PeerSockets::builder(lab.clone())
        .max_peers(1)
        .authorize(move |peer| async move { peer.id == friend })
        .build()
        .unwrap();
    let swarm = alice.join(room()).await.unwrap();
    for _ in 0..3 {
        let mut wire = lab.wire(alice.public_key(), stranger()).await;
        assert_eq!(wire.frame().await, None);
    }
    let mut wire = lab.wire(alice.public_key(), friend).await;
    let (open, _) = wire.opening().await;
    wire.send(&open).await;
    assert_eq!(socket(&swarm).await.id(), friend);
}

#[tokio::test]
async fn an_authorization_that_panics_lets_nobody_in_and_frees_the_place() {
    let lab = Lab::default();
    let friend = stranger();
    let alice = PeerSockets::builder(lab.clone())
        .max_peers(1)
        .authorize(move |peer| async move {
            assert_eq!(peer.id, friend, "who is that?");
            true
        })
        .build()
        .unwrap();
    let swarm = alice.join(room()).await.unwrap();
    let mut wire = lab.wire(alice.public_key(), stranger()).await;
    assert_eq!(wire.frame().await, None);
    let mut wire = lab.wire(alice.public_key(), friend).await;
    let (open, _) = wire.opening().await;
    wire.send(&open).await;
    socket(&swarm).await;
}

#[tokio::test(start_paused = true)]
async fn an_authorization_that_never_answers_lets_nobody_in_and_frees_the_place() {
    let lab = Lab::default();
    let friend = stranger();
    let alice = PeerSockets::builder(lab.clone())
        .max_peers(1)
        .authorize(move |peer| async move {
            match peer.id == friend {
                true => true,
                false => std::future::pending().await,
            }
        })
        .build()
        .unwrap();
    let swarm = alice.join(room()).await.unwrap();
    let began = Instant::now();
    let mut wire = lab.wire(alice.public_key(), stranger()).await;
    assert_eq!(wire.frame().await, None);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let mut wire = lab.wire(alice.public_key(), friend).await;
    let (open, _) = wire.opening().await;
    wire.send(&open).await;
    socket(&swarm).await;
}

#[tokio::test]
async fn who_is_banned_loses_the_socket_and_is_not_let_in_until_that_ends() {
    let lab = Lab::default();
    let (alice, bob) = (peers(lab.clone()), peers(lab.clone()));
    let (a, b) = (
        alice.join(room()).await.unwrap(),
        bob.join(room()).await.unwrap(),
    );
    let (alices, bobs) = (alice.public_key(), bob.public_key());
    let _first = lab.connect(alices, bobs).await;
    let (to_b, to_a) = (socket(&a).await, socket(&b).await);
    alice.ban(bobs);
    assert_eq!(to_b.closed().await, CloseReason::Local);
    assert_eq!(to_a.closed().await, CloseReason::Reset);
    let mut refused = lab.connect(alices, bobs).await;
    assert_eq!(refused.ended.recv().await, None);
    assert!(alice.unban(&bobs) && !alice.unban(&bobs));
    let _second = lab.connect(bobs, alices).await;
    until(|| a.socket(&bobs).is_some()).await;
}
