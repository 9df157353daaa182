//! What happens when connections end.

use futures_util::SinkExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Duration, timeout},
};
use tower_multiserver::ragep2p::{Host, Limits, Stream, Version};

use crate::{
    lab::{
        Map, PATIENCE, VERSIONS, bare, builder, dialer, host, identity, numbered, recv,
        recv_number, send, socket, wide,
    },
    ports::closed_port,
};

/// How long to wait for a message that may have been lost.
const MOMENT: Duration = Duration::from_millis(50);

/// Forwards connections to `to` until it is told to cut them; then goes on with new ones.
async fn proxy(to: String) -> (String, watch::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (cut, cuts) = watch::channel(());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, mut cuts) = (to.clone(), cuts.clone());
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(to).await else {
                    return;
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    (at, cut)
}

/// Sends a message a moment, numbered from `first`, until one arrives: what is sent while a connection ends may be lost. Which
/// one it was comes back.
async fn until_heard(from: &mut Stream, to: &mut Stream, first: u64) -> u64 {
    let (mut number, mut last) = (first, None);
    let talk = async {
        loop {
            send(from, numbered(number, 8)).await;
            // Those that were on their way come first.
            while let Ok(heard) = timeout(MOMENT, recv_number(to)).await {
                assert!(last < Some(heard), "{heard} after {last:?}");
                last = Some(heard);
                if heard == number {
                    return heard;
                }
            }
            number += 1;
        }
    };
    timeout(PATIENCE, talk).await.expect("one arrives in time")
}

/// For each round, more than are sent in [`PATIENCE`], a [`MOMENT`] after the other.
const NUMBERS: u64 = 10_000;

#[tokio::test]
async fn streams_survive_their_connections_in_order() {
    for version in VERSIONS {
        let map = Map::default();
        let bob = host(2, version, &map).await;
        let (at, cut) = proxy(socket(&bob)).await;
        map.set(bob.id(), [format!("net:{at}").parse().unwrap()]);
        let alice = dialer(1, version, &map).await;
        let mut ours = alice
            .stream(bob.id(), "test")
            .limits(wide())
            .open()
            .unwrap();
        let mut theirs = bob
            .stream(alice.id(), "test")
            .limits(wide())
            .open()
            .unwrap();
        let mut last = 0;
        for round in 1..=5 {
            let first = round * NUMBERS;
            // What was on its way may be lost, what comes is in order.
            for number in first..first + 50 {
                send(&mut ours, numbered(number, 100)).await;
            }
            loop {
                let number = recv_number(&mut theirs).await;
                assert!(number > last, "{number} after {last}");
                last = number;
                if number == first + 49 {
                    break;
                }
            }
            cut.send(()).unwrap();
            // It is not known when the ends see it.
            last = until_heard(&mut ours, &mut theirs, first + 50).await;
        }
    }
}

#[tokio::test]
async fn two_that_dial_each_other_agree_on_a_connection() {
    let map = Map::default();
    let alice = host(1, Version::V1, &map).await;
    let bob = host(2, Version::V1, &map).await;
    let mut ours = alice
        .stream(bob.id(), "test")
        .limits(wide())
        .open()
        .unwrap();
    let mut theirs = bob
        .stream(alice.id(), "test")
        .limits(wide())
        .open()
        .unwrap();
    until_heard(&mut ours, &mut theirs, 0).await;
    until_heard(&mut theirs, &mut ours, 0).await;
}

#[tokio::test]
async fn addresses_are_dialed_in_turn_until_one_answers() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let alice = host(1, Version::V1, &map).await;
    let (_reserved, dead) = closed_port();
    let addresses = [
        format!("net:{dead}").parse().unwrap(),
        // Our own.
        bare(&alice.addresses()[0].1),
        // What no transport of the host knows.
        "unix:/nowhere".parse().unwrap(),
        bare(&bob.addresses()[0].1),
    ];
    map.set(bob.id(), addresses);
    map.set(alice.id(), []);
    let ours = alice.stream(bob.id(), "test").open().unwrap();
    let mut theirs = bob.stream(alice.id(), "test").open().unwrap();
    let _ = ours.send("found").unwrap();
    assert_eq!(recv(&mut theirs).await, b"found");
}

#[tokio::test]
async fn a_host_that_comes_back_finds_its_peers_again() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let at = bob.addresses()[0].1.clone();
    let alice = dialer(1, Version::V1, &map).await;
    let limits = Limits {
        outgoing: 3,
        ..wide()
    };
    let mut ours = alice
        .stream(bob.id(), "test")
        .limits(limits)
        .open()
        .unwrap();
    let mut theirs = bob.stream(alice.id(), "test").open().unwrap();
    send(&mut ours, numbered(1, 8)).await;
    assert_eq!(recv_number(&mut theirs).await, 1);
    bob.close().await;
    drop((theirs, bob));
    // Alice hears of the end, and then keeps the newest.
    timeout(PATIENCE, ours.flush()).await.unwrap().unwrap();
    let bob = builder(2, &map)
        .listen(bare(&at))
        .unwrap()
        .start()
        .await
        .unwrap();
    map.set(bob.id(), [bare(&at)]);
    let mut theirs = bob.stream(alice.id(), "test").open().unwrap();
    until_heard(&mut ours, &mut theirs, 2).await;
}

#[tokio::test]
async fn a_new_peer_is_dialed_at_once() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let hour = Duration::from_secs(3600);
    let alice = Host::builder(identity(1)).discover(map).dial_interval(hour);
    let alice = alice.start().await.unwrap();
    for name in ["first", "second"] {
        let ours = alice.stream(bob.id(), name).open().unwrap();
        let mut theirs = bob.stream(alice.id(), name).open().unwrap();
        let _ = ours.send("now").unwrap();
        assert_eq!(recv(&mut theirs).await, b"now");
    }
}

/// Nobody but the peer hears of it: the host is silent to strangers and to what is no knock.
#[tokio::test]
async fn strangers_hear_nothing() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let mut socket = TcpStream::connect(socket(&bob)).await.unwrap();
    socket.write_all(&[2; 97]).await.unwrap();
    let mut heard = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut heard))
        .await
        .unwrap();
    assert!(read.is_err() || heard.is_empty());
    assert!(heard.is_empty());
}
