//! Many who are let in and have nothing to say.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};
use tower_multiserver::Connection;

use crate::{
    lab::{KIB, Server, crowd_of, measured},
    support::HANG,
};

async fn echoed(peer: &mut Connection) {
    let echo = async {
        peer.write_all(b"hello").await.expect("sent");
        peer.flush().await.expect("sent");
        peer.read_exact(&mut [0; 5]).await.expect("an echo");
    };
    timeout(HANG, echo).await.expect("no hang");
}

/// The time of a hundred echoes.
async fn echoes(peers: &mut [Connection]) -> Duration {
    let start = Instant::now();
    let step = (peers.len() / 100).max(1);
    for number in 0..100 {
        let at = (number * step) % peers.len();
        echoed(&mut peers[at]).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn many_idle_peers_cost_little_memory_and_no_time_and_go_at_once() {
    let count = crowd_of(800, 10_000);
    let mut server = Server::start("net:127.0.0.1:0~shs", 256, Duration::from_secs(60)).await;
    let before = server.held().await;
    let dial = |_| async {
        let dialed = server.client.dial(server.address.as_str()).await;
        dialed.expect("dialed")
    };
    let mut peers: Vec<_> = stream::iter(0..count)
        .map(dial)
        .buffer_unordered(32)
        .collect()
        .await;
    for peer in &mut peers {
        echoed(peer).await;
    }
    let held = server.when(|held| held.tasks >= count).await;
    let each = (held.bytes - before.bytes) / count;

    let mut alone = f64::INFINITY;
    for _ in 0..3 {
        let one = echoes(&mut peers[..1]).await;
        let sample = echoes(&mut peers).await;
        alone = alone.min(sample.as_secs_f64() / one.as_secs_f64());
    }
    let ticks = server.ticks();
    // Idle is measured over time.
    sleep(Duration::from_secs(1)).await;
    let ticks = server.ticks() - ticks;

    let start = Instant::now();
    drop(peers);
    server.when(|held| held.tasks == 0).await;
    let gone = start.elapsed();
    measured(
        &format!("{count} idle peers"),
        format_args!(
            "{each} B each on the heap, peak {} MiB, an echo takes {alone:.2} times that of one peer, \
             {ticks} hundredths of a second of processor in a second, gone in {gone:.2?}",
            server.peak() >> 20,
        ),
    );
    assert!(each <= 6 * KIB, "{each} bytes for each");
    assert!(alone <= 4.0, "{alone:.2} times as long");
    assert!(ticks <= 1, "{ticks} hundredths of a second");
    assert!(gone < Duration::from_secs(5), "{gone:?}");
}
