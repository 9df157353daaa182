//! How much longer a good peer waits while a crowd is there.

use std::time::Duration;

use crate::{
    crowd::Crowd,
    lab::{KIB, Server, crowd_of, measured},
};

/// Good peers for one measurement.
const ROUNDS: usize = 40;

/// The best of so many counts.
const TRIES: usize = 3;

/// Longer than a test takes: the crowd stays.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mute_peers_slow_nobody_down() {
    slows_nobody_down("net:127.0.0.1:0~shs", Crowd::Mute).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_say_a_byte_a_second_slow_nobody_down() {
    slows_nobody_down("net:127.0.0.1:0~shs", Crowd::Slow).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_done_handshakes_slow_nobody_down() {
    slows_nobody_down("net:127.0.0.1:0~shs", Crowd::Begins).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mute_web_clients_slow_nobody_down() {
    slows_nobody_down("ws://localhost:0~shs", Crowd::Mute).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_never_read_slow_nobody_down_and_are_buffered_little() {
    let grown = slows_nobody_down("net:127.0.0.1:0~shs", Crowd::NeverReads).await;
    // A batch of frames in each direction, what any peer takes, and the buffer of the handler.
    assert!(
        grown <= 2 * 66_114 + 6 * KIB + 4 * KIB,
        "{grown} bytes for each"
    );
}

/// And how many bytes the server's heap grows for each of the crowd.
async fn slows_nobody_down(address: &str, crowd: Crowd) -> usize {
    let count = crowd_of(1000, 3000);
    let mut server = Server::start(address, 2 * count, PATIENCE).await;
    let before = server.held().await;
    let mut best = f64::INFINITY;
    let mut grown = 0;
    for _ in 0..TRIES {
        let alone = server.visit(ROUNDS).await;
        let crowded = crowd.come(&mut server, count).await;
        let held = server.when(|held| held.tasks >= count).await;
        let loaded = server.visit(ROUNDS).await;
        // The crowd is still there.
        let still = server.held().await;
        assert!(still.tasks >= count, "{still:?} of {held:?}");
        grown = grown.max(still.bytes.saturating_sub(before.bytes) / count);
        drop(crowded);
        server.when(|held| held.tasks == 0).await;
        let slow_down = loaded.as_secs_f64() / alone.as_secs_f64();
        best = best.min(slow_down);
        measured(
            &format!("{crowd:?} x {count} at {address}"),
            format_args!(
                "{alone:.2?} alone, {loaded:.2?} beside them, slow-down {slow_down:.2}, {grown} B each, peak {} MiB",
                server.peak() >> 20,
            ),
        );
        if best <= 2.0 {
            break;
        }
    }
    assert!(best <= 2.0, "a good peer waits {best:.2} times as long");
    grown
}
