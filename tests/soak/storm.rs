//! Many who connect at once.

use std::{net::TcpStream, time::Duration};

use tower::Layer as _;
use tower_multiserver::{ErrorKind, Shutdown, StackExt as _, net::Net, ws::Ws};

use crate::{
    crowd::Crowd,
    lab::{Server, alone, crowd_of, measured},
    support::{HANG, shs},
};

/// A full queue would drop a SYN, which is sent again a second later, and then again.
#[tokio::test]
async fn a_burst_of_two_thousand_finds_room_before_anybody_is_accepted() {
    let _alone = alone().await;
    let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux tells it");
    let allowed: usize = allowed.trim().parse().expect("a number");
    let count = crowd_of(2000, 4000).min(allowed - 1);
    let (_shutdown, closing) = Shutdown::new();
    let net = shs("bob").layer(Net::new());
    let net = net.listen("net:127.0.0.1:0~shs", closing.clone()).await;
    let net = net.expect("listening");
    let ws = Ws::new().listen("ws://127.0.0.1:0", closing).await;
    let ws = ws.expect("listening");
    for addresses in [net.addresses(), ws.addresses()] {
        let at = addresses[0].1.sections()[0].to_string();
        let at = at
            .split_once(':')
            .expect("arguments")
            .1
            .trim_start_matches('/');
        let at = at.parse().expect("a socket address");
        let connect = |_| TcpStream::connect_timeout(&at, HANG).expect("room in the queue");
        let burst: Vec<_> = (0..count).map(connect).collect();
        measured(
            "a burst",
            format_args!("{} of {count} found room in the queue", burst.len()),
        );
    }
}

/// Those that the kernel took are accepted and the oldest dropped, so nobody waits behind them.
#[tokio::test]
async fn a_burst_is_shed_and_the_next_good_peer_is_let_in() {
    let mut server = Server::start("net:127.0.0.1:0~shs", 256, Duration::from_secs(600)).await;
    let descriptors = server.descriptors();
    let crowded = Crowd::Mute.come(&mut server, crowd_of(2000, 10_000)).await;
    server.round_trip().await;
    let held = server.when(|held| held.tasks <= 256).await;
    let most = server.descriptors() - descriptors;
    measured(
        "a burst",
        format_args!("{} handshakes and {most} descriptors are left", held.tasks),
    );
    assert!(most <= 256, "{most} descriptors");
    drop(crowded);
}

/// The error that tells of it is cheap to make and to pass over.
#[tokio::test]
async fn who_is_shed_is_told_of_as_overload() {
    let _alone = alone().await;
    let (_shutdown, closing) = Shutdown::new();
    let bob = shs("bob").layer(Net::new());
    let bob = bob.listen("net:127.0.0.1:0~shs", closing).await;
    let mut bob = bob.expect("listening").max_handshakes(1);
    let at = bob.addresses()[0].1.sections()[0].to_string();
    let at = at.trim_start_matches("net:").to_owned();
    let burst: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(&at).expect("connected"))
        .collect();
    for _ in 1..burst.len() {
        let error = bob.next().await.expect("one").expect_err("shed");
        assert_eq!(error.kind(), ErrorKind::Overloaded);
    }
}
