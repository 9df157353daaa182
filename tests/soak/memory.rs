//! What somebody costs who has proved nothing yet, and what stays of those who left.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    crowd::Crowd,
    lab::{KIB, MIB, Server, crowd_of, measured, sized},
};

const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn who_has_proved_nothing_costs_a_few_kibibytes() {
    for (address, crowd, most) in [
        ("net:127.0.0.1:0~shs", Crowd::Mute, 8 * KIB),
        ("net:127.0.0.1:0~shs", Crowd::Begins, 8 * KIB),
        ("net:127.0.0.1:0~noise", Crowd::Mute, 8 * KIB),
        ("net:127.0.0.1:0~noise", Crowd::Begins, 8 * KIB),
        ("net:127.0.0.1:0~knock~mtls", Crowd::Mute, 8 * KIB),
        ("net:127.0.0.1:0~mtls", Crowd::Begins, 24 * KIB),
        ("ws://localhost:0~shs", Crowd::Mute, 24 * KIB),
        ("ws://localhost:0~shs", Crowd::Rambles, 24 * KIB),
        ("ws://localhost:0~shs", Crowd::Opens, 24 * KIB),
        ("wss://localhost:0~shs", Crowd::Mute, 24 * KIB),
        ("wss://localhost:0~shs", Crowd::Begins, 24 * KIB),
        ("wss://localhost:0~shs", Crowd::Rambles, 24 * KIB),
        ("wss://localhost:0~shs", Crowd::Opens, 24 * KIB),
    ] {
        let count = crowd_of(200, 2000);
        let mut server = Server::start(address, 2 * count, PATIENCE).await;
        let (before, resident) = (server.held().await, server.memory());
        let crowded = crowd.come(&mut server, count).await;
        let held = server.when(|held| held.tasks >= count).await;
        // What they said has been read.
        server.round_trip().await;
        let held = server.when(|now| now.tasks >= held.tasks).await;
        let each = held.bytes.saturating_sub(before.bytes) / count;
        let pages = server.memory().saturating_sub(resident) / count;
        measured(
            &format!("{crowd:?} x {count} at {address}"),
            format_args!("{each} B each on the heap, {pages} B in pages"),
        );
        assert!(
            each <= most,
            "{each} bytes for each of {crowd:?} at {address}"
        );
        drop(crowded);
    }
}

/// However much they say: it is not read, or they are closed.
#[tokio::test]
async fn who_shouts_is_closed_and_costs_no_more() {
    for address in [
        "net:127.0.0.1:0~shs",
        "net:127.0.0.1:0~noise",
        "net:127.0.0.1:0~knock~mtls",
        "net:127.0.0.1:0~mtls",
        "ws://localhost:0~shs",
        "wss://localhost:0~shs",
    ] {
        let count = crowd_of(200, 2000);
        let mut server = Server::start(address, 2 * count, PATIENCE).await;
        let before = server.peak();
        let crowded = Crowd::Shouts.come(&mut server, count).await;
        server.round_trip().await;
        let held = server.when(|held| held.tasks == 0).await;
        let grown = server.peak().saturating_sub(before) / count;
        measured(
            &format!("Shouts x {count} at {address}"),
            format_args!("{grown} B each at the peak, {} tasks are left", held.tasks),
        );
        assert!(grown <= 24 * KIB, "{grown} bytes for each at {address}");
        drop(crowded);
    }
}

#[tokio::test]
async fn nothing_stays_of_ten_thousand_who_came_and_went() {
    let mut server = Server::start("net:127.0.0.1:0~shs", 256, Duration::from_secs(5)).await;
    let mut counts = Vec::new();
    // The first thousand fill what is kept for the next.
    let all = [1000, sized(9000, 19_000)];
    for count in all {
        for number in 0..count {
            match number % 10 {
                0 => server.round_trip().await,
                1..4 => drop(
                    TcpStream::connect(server.socket())
                        .await
                        .expect("connected"),
                ),
                _ => {
                    let socket = TcpStream::connect(server.socket()).await;
                    // Noise, at which the server closes.
                    let _ = socket.expect("connected").write_all(&[7; 64]).await;
                }
            }
        }
        // Whoever waited to be accepted has been: they are in the order of their coming.
        server.round_trip().await;
        let held = server.when(|held| held.tasks == 0).await;
        counts.push((held, server.descriptors(), server.memory()));
    }
    let [
        (before, descriptors, resident),
        (after, descriptors_after, resident_after),
    ] = counts[..]
    else {
        unreachable!("two counts");
    };
    let grown = after.bytes.saturating_sub(before.bytes);
    let pages = resident_after.saturating_sub(resident);
    measured(
        &format!("{} who came and went", all[0] + all[1]),
        format_args!("heap grown by {grown} B, pages by {} KiB", pages / KIB),
    );
    assert!(grown <= 64 * KIB, "{grown} bytes");
    assert!(pages <= 4 * MIB, "{pages} bytes");
    assert_eq!(descriptors, descriptors_after);
}
