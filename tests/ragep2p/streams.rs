//! What a stream delivers, and when it is open.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tower_multiserver::ragep2p::{
    Host, InvalidLimits, Limits, MAX_NAME_LEN, MAX_STREAMS, OpenError, SendError, Sent, Version,
};

use crate::lab::{
    Map, PATIENCE, Pair, VERSIONS, dialer, host, id, numbered, recv, recv_number, send, wide,
};

/// Lengths at which something changes: what is written at once, TLS records, what is read at once.
const LENGTHS: [usize; 12] = [
    8,
    9,
    2010,
    2011,
    2012,
    16_346,
    16_347,
    16_348,
    16_385,
    32_768,
    100_000,
    1 << 20,
];

#[tokio::test]
async fn messages_of_any_length_arrive_in_order_and_intact() {
    for (dials, accepts) in VERSIONS
        .into_iter()
        .flat_map(|one| VERSIONS.map(|other| (one, other)))
    {
        let mut pair = Pair::new(dials, accepts, wide()).await;
        for (number, len) in (0..).zip(LENGTHS) {
            send(&mut pair.dialers, numbered(number, len)).await;
            send(&mut pair.acceptors, numbered(number, len)).await;
        }
        let _ = pair.dialers.send("").unwrap();
        for (number, len) in (0..).zip(LENGTHS) {
            assert!(
                recv(&mut pair.acceptors).await == numbered(number, len),
                "{len}"
            );
            assert!(
                recv(&mut pair.dialers).await == numbered(number, len),
                "{len}"
            );
        }
        assert_eq!(recv(&mut pair.acceptors).await, b"");
    }
}

#[tokio::test]
async fn ten_thousand_messages_come_back_in_order() {
    let mut pair = Pair::new(Version::V1, Version::V1, wide()).await;
    let echo = async {
        while let Some(message) = pair.acceptors.next().await {
            pair.acceptors.feed(message).await.unwrap();
        }
    };
    let (mut to, mut from) = pair.dialers.split();
    let ask = async {
        for number in 0..10_000 {
            to.feed(numbered(number, 100).into()).await.unwrap();
        }
        to.flush().await.unwrap();
    };
    let hear = async {
        for number in 0..10_000 {
            assert!(from.next().await.unwrap() == numbered(number, 100));
        }
    };
    let talk = async {
        tokio::select! {
            () = echo => panic!("the stream is open"),
            _ = async { tokio::join!(ask, hear) } => {}
        }
    };
    timeout(PATIENCE, talk).await.unwrap();
}

#[tokio::test]
async fn streams_do_not_mix() {
    let Pair {
        dialer,
        acceptor,
        dialers,
        acceptors,
    } = Pair::new(Version::V1, Version::V1, wide()).await;
    let (mut ours, mut theirs) = (vec![dialers], vec![acceptors]);
    for name in ["second", "third"] {
        ours.push(
            dialer
                .stream(acceptor.id(), name)
                .limits(wide())
                .open()
                .unwrap(),
        );
        theirs.push(
            acceptor
                .stream(dialer.id(), name)
                .limits(wide())
                .open()
                .unwrap(),
        );
    }
    for number in 0..100 {
        for (at, stream) in ours.iter_mut().enumerate() {
            send(stream, numbered(number, 10 + at)).await;
        }
    }
    for number in 0..100 {
        for (at, stream) in theirs.iter_mut().enumerate() {
            assert_eq!(recv(stream).await, numbered(number, 10 + at));
        }
    }
}

#[tokio::test]
async fn messages_wait_until_the_peer_opens_the_stream() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let alice = dialer(1, Version::V1, &map).await;
    let _kept = bob.stream(alice.id(), "kept").open().unwrap();
    let mut kept = alice.stream(bob.id(), "kept").open().unwrap();
    let limits = Limits {
        outgoing: 4,
        ..wide()
    };
    let ours = alice
        .stream(bob.id(), "late")
        .limits(limits)
        .open()
        .unwrap();
    for number in 0..20 {
        let sent = ours.send(numbered(number, 8)).unwrap();
        assert_eq!(sent == Sent::Evicted, number >= 4);
    }
    // A round trip on another stream: there is a connection, and nothing went over this stream.
    let _ = _kept.send("up").unwrap();
    assert_eq!(recv(&mut kept).await, b"up");
    let mut theirs = bob
        .stream(alice.id(), "late")
        .limits(wide())
        .open()
        .unwrap();
    for number in 16..20 {
        assert_eq!(recv_number(&mut theirs).await, number);
    }
}

#[tokio::test]
async fn a_closed_stream_leaves_the_others_and_can_be_opened_again() {
    let mut pair = Pair::new(Version::V1, Version::V1, wide()).await;
    for _ in 0..3 {
        let ours = pair
            .dialer
            .stream(pair.acceptor.id(), "again")
            .limits(wide())
            .open()
            .unwrap();
        let theirs = pair
            .acceptor
            .stream(pair.dialer.id(), "again")
            .limits(wide());
        let mut theirs = theirs.open().unwrap();
        let _ = ours.send("hello").unwrap();
        assert_eq!(recv(&mut theirs).await, b"hello");
        drop(ours);
        let _ = pair.dialers.send("still").unwrap();
        assert_eq!(recv(&mut pair.acceptors).await, b"still");
    }
}

#[tokio::test]
async fn the_last_stream_takes_the_connection_and_a_new_one_brings_it_back() {
    let Pair {
        dialer,
        acceptor,
        dialers,
        mut acceptors,
    } = Pair::new(Version::V1, Version::V1, wide()).await;
    let _ = dialers.send("first").unwrap();
    assert_eq!(recv(&mut acceptors).await, b"first");
    drop(dialers);
    let dialers = dialer.stream(acceptor.id(), "test").open().unwrap();
    let _ = dialers.send("second").unwrap();
    assert_eq!(recv(&mut acceptors).await, b"second");
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let open = |host: &Host, peer, name: &str| host.stream(peer, name).open().map(drop);
    assert_eq!(open(&bob, bob.id(), "me"), Err(OpenError::OwnPeer));
    assert_eq!(open(&bob, id(1), ""), Err(OpenError::Name));
    assert_eq!(
        open(&bob, id(1), &"x".repeat(MAX_NAME_LEN + 1)),
        Err(OpenError::Name)
    );
    assert_eq!(open(&bob, id(1), "x"), Ok(()));
    assert_eq!(open(&bob, id(1), &"x".repeat(MAX_NAME_LEN)), Ok(()));
    let limits = Limits {
        outgoing: 0,
        ..wide()
    };
    let none = bob.stream(id(1), "x").limits(limits).open().unwrap_err();
    assert_eq!(none, OpenError::Limits(InvalidLimits::NoOutgoing));
    let requests = bob.stream(id(1), "x").open_with_requests().unwrap_err();
    assert_eq!(requests, OpenError::Version);

    let mut streams = Vec::new();
    for number in 0..MAX_STREAMS {
        streams.push(bob.stream(id(1), number.to_string()).open().unwrap());
    }
    assert_eq!(open(&bob, id(1), "0"), Err(OpenError::Exists));
    assert_eq!(open(&bob, id(1), "more"), Err(OpenError::TooManyStreams));
    assert_eq!(open(&bob, id(3), "more"), Ok(()));
    // The name is free again.
    drop(streams.pop());
    assert_eq!(open(&bob, id(1), "more"), Ok(()));
}

#[tokio::test]
async fn two_thousand_streams_are_opened_over_one_connection() {
    for version in VERSIONS {
        let map = Map::default();
        let bob = host(2, version, &map).await;
        let alice = dialer(1, version, &map).await;
        let open = |from: &Host, to: &Host| {
            let streams = (0..MAX_STREAMS).map(|at| from.stream(to.id(), format!("stream {at}")));
            streams
                .map(|stream| stream.open().unwrap())
                .collect::<Vec<_>>()
        };
        let ours = open(&alice, &bob);
        let mut theirs = open(&bob, &alice);
        for (number, stream) in (0..).zip(&ours) {
            let _ = stream.send(numbered(number, 8)).unwrap();
        }
        for (number, stream) in (0..).zip(&mut theirs) {
            assert_eq!(recv_number(stream).await, number);
        }
    }
}

#[tokio::test]
async fn a_closed_host_ends_its_streams() {
    let mut pair = Pair::new(Version::V1, Version::V1, wide()).await;
    let _ = pair.dialers.send("up").unwrap();
    assert_eq!(recv(&mut pair.acceptors).await, b"up");
    let waiting = async {
        let closed = pair.acceptor.close().await;
        (closed, pair.acceptor.close().await)
    };
    let (ended, closed) = tokio::join!(pair.acceptors.recv(), waiting);
    assert_eq!((ended, closed), (None, (true, false)));
    assert_eq!(pair.acceptors.send("late"), Err(SendError::Closed));
    let late = pair.acceptor.stream(pair.dialer.id(), "late").open();
    assert_eq!(late.unwrap_err(), OpenError::Closed);
    // The other end only waits.
    assert_eq!(pair.dialers.send("later"), Ok(Sent::Queued));
}

#[tokio::test]
async fn a_dropped_host_ends_its_streams() {
    let mut pair = Pair::new(Version::V1, Version::V1, wide()).await;
    let clone = pair.acceptor.clone();
    drop(pair.acceptor);
    let _ = pair.dialers.send("still up").unwrap();
    assert_eq!(recv(&mut pair.acceptors).await, b"still up");
    drop(clone);
    assert_eq!(pair.acceptors.recv().await, None);
}

#[tokio::test]
async fn a_sink_waits_for_room_and_is_flushed_when_all_is_on_its_way() {
    let limits = Limits {
        outgoing: 2,
        ..wide()
    };
    let mut pair = Pair::new(Version::V1, Version::V1, limits).await;
    for number in 0..1000 {
        send(&mut pair.dialers, numbered(number, 1000)).await;
    }
    timeout(PATIENCE, pair.dialers.flush())
        .await
        .unwrap()
        .unwrap();
    for number in 0..1000 {
        assert_eq!(recv_number(&mut pair.acceptors).await, number);
    }
}

#[tokio::test]
async fn what_was_flushed_arrives_though_the_host_closes() {
    for version in VERSIONS {
        let Pair {
            dialer,
            acceptor: _acceptor,
            mut dialers,
            mut acceptors,
        } = Pair::new(version, version, wide()).await;
        let len = 1 << 20;
        for number in 0..20 {
            send(&mut dialers, numbered(number, len)).await;
        }
        let flushed = timeout(PATIENCE, dialers.flush()).await;
        flushed.unwrap().unwrap();
        assert!(dialer.close().await);
        for number in 0..20 {
            assert!(recv(&mut acceptors).await == numbered(number, len));
        }
    }
}
