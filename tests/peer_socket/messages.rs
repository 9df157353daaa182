//! What goes over sockets.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::peer_socket::{MemoryHub, Message, PeerSockets, SendError, SwarmId};

use crate::lab::{json, pair, peers, recv, room, socket, unless_stuck, until};

#[tokio::test]
async fn every_message_arrives_as_it_was_sent_and_in_order() {
    let (_swarms, [a, b]) = pair().await;
    let messages = [
        json!(0).into(),
        json!("").into(),
        json!(false).into(),
        json!(null).into(),
        json!([]).into(),
        json!({"type": "text", "text": "Hello! 👋"}).into(),
        Message::from(Vec::new()),
        Message::from(vec![7; 1 << 20]),
        Message::Other {
            content_type: "text/plain".to_owned(),
            content: b"hello".to_vec().into(),
        },
    ];
    let sent = async {
        for message in &messages {
            a.send(message.clone()).await.unwrap();
        }
    };
    let received = async {
        for message in &messages {
            assert_eq!(recv(&b).await, Some(Ok(message.clone())));
        }
    };
    tokio::join!(sent, received);
}

#[tokio::test]
async fn halves_and_clones_are_of_the_same_socket() {
    let (_swarms, [a, b]) = pair().await;
    let (mut sink, mut stream) = a.clone().split();
    let echo = async {
        let (mut sink, stream) = b.split();
        let mut messages = stream.map(Result::unwrap).map(Ok).take(100);
        sink.send_all(&mut messages).await.unwrap();
    };
    let ask = async {
        for n in 0..100 {
            sink.send(json!(n).into()).await.unwrap();
            assert_eq!(stream.next().await, Some(Ok(json!(n).into())));
        }
    };
    tokio::join!(echo, ask);
    assert_eq!(sink.socket(), &a);
    assert_eq!(stream.socket(), &a);
}

#[tokio::test]
async fn a_socket_is_a_stream_of_bytes_as_well() {
    let (_swarms, [a, b]) = pair().await;
    let (mut a, mut b) = (a.into_io(), b.into_io());
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    let write = async {
        a.write_all(&bytes).await.unwrap();
        a.shutdown().await.unwrap();
    };
    let mut read = Vec::new();
    let (_, count) = tokio::join!(write, b.read_to_end(&mut read));
    assert_eq!(count.unwrap(), bytes.len());
    assert_eq!(read, bytes);
}

#[tokio::test]
async fn what_is_too_long_is_not_sent() {
    let hub = MemoryHub::new();
    let build = || {
        PeerSockets::builder(hub.clone())
            .max_message(10)
            .build()
            .unwrap()
    };
    let a = build().join(room()).await.unwrap();
    let b = build().join(room()).await.unwrap();
    let (to_b, to_a) = (socket(&a).await, socket(&b).await);
    let error = to_b.send(vec![0; 11]).await.unwrap_err();
    assert_eq!(error, SendError::TooLong { len: 11, max: 10 });
    let long_type = Message::Other {
        content_type: "x".repeat(257),
        content: b"".as_slice().into(),
    };
    assert_eq!(to_b.send(long_type).await, Err(SendError::ContentType));
    to_b.send(vec![0; 10]).await.unwrap();
    assert_eq!(recv(&to_a).await, Some(Ok(vec![0; 10].into())));
}

#[tokio::test]
async fn while_nobody_reads_who_sends_waits_and_others_go_on() {
    let hub = MemoryHub::new();
    let a = peers(hub.clone()).join(room()).await.unwrap();
    let b = peers(hub.clone()).join(room()).await.unwrap();
    let to_b = socket(&a).await;
    let to_a = socket(&b).await;
    // As much as fits into both sockets and the connection between them, and no more.
    let mut sent = 0;
    let stalled = loop {
        let mut send = Box::pin(to_b.send(vec![0; 10_000]));
        if unless_stuck(&mut send).await.is_none() {
            break send;
        }
        sent += 1;
        assert!(sent < 100, "nothing waits");
    };
    assert!(sent > 20, "{sent} messages");
    // Others go on, both ways.
    let c = peers(hub).join(room()).await.unwrap();
    until(|| a.sockets().len() == 2).await;
    let to_c = a.socket(&c.loopback().id()).unwrap();
    to_c.send(json!("hello")).await.unwrap();
    until(|| c.socket(&a.loopback().id()).is_some()).await;
    let c_to_a = c.socket(&a.loopback().id()).unwrap();
    assert_eq!(json(&c_to_a).await, json!("hello"));
    to_a.send(json!("the other way")).await.unwrap();
    assert_eq!(json(&to_b).await, json!("the other way"));
    // Reading makes room, and nothing is lost.
    let read = async {
        for _ in 0..=sent {
            assert_eq!(recv(&to_a).await, Some(Ok(vec![0; 10_000].into())));
        }
    };
    let (result, ()) = tokio::join!(stalled, read);
    result.unwrap();
}

#[tokio::test]
async fn two_swarms_over_one_connection_do_not_mix_and_end_apart() {
    let hub = MemoryHub::new();
    let (alice, bob) = (peers(hub.clone()), peers(hub));
    let [one, two] = ["one", "two"].map(SwarmId::open);
    let (a1, b1) = (
        alice.join(one.clone()).await.unwrap(),
        bob.join(one).await.unwrap(),
    );
    let (a2, b2) = (
        alice.join(two.clone()).await.unwrap(),
        bob.join(two).await.unwrap(),
    );
    let [a1s, b1s] = [socket(&a1).await, socket(&b1).await];
    let [a2s, b2s] = [socket(&a2).await, socket(&b2).await];
    for n in 0..50 {
        a1s.send(json!({"one": n})).await.unwrap();
        a2s.send(json!({"two": n})).await.unwrap();
        b1s.send(json!({"one": -n})).await.unwrap();
        b2s.send(json!({"two": -n})).await.unwrap();
    }
    for n in 0..50 {
        assert_eq!(json(&b1s).await, json!({"one": n}));
        assert_eq!(json(&b2s).await, json!({"two": n}));
        assert_eq!(json(&a1s).await, json!({"one": -n}));
        assert_eq!(json(&a2s).await, json!({"two": -n}));
    }
    a1.close().await;
    assert_eq!(recv(&b1s).await, None);
    a2s.send(json!("still here")).await.unwrap();
    assert_eq!(json(&b2s).await, json!("still here"));
    assert!(b1.sockets().is_empty());

    // And again over the same connection.
    let a1 = alice.join(SwarmId::open("one")).await.unwrap();
    let (a1s, b1s) = (socket(&a1).await, socket(&b1).await);
    a1s.send(json!("back")).await.unwrap();
    assert_eq!(json(&b1s).await, json!("back"));
    assert_eq!(b2s.close_reason(), None);
}

/// What is heard is no reason to say nothing oneself.
#[tokio::test(start_paused = true)]
async fn who_only_listens_keeps_its_connection_to_who_speaks_all_the_time() {
    let (_swarms, [speaks, listens]) = pair().await;
    for second in 0..120 {
        speaks.send(json!(second)).await.unwrap();
        assert_eq!(json(&listens).await, json!(second));
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
