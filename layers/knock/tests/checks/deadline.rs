//! One deadline for the whole knock, however it comes.

use std::{
    future::{pending, poll_fn},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};
use tower_layer::Layer;
use tower_multiserver_core::{Accept, Authorize, BoxError, ErrorKind, Peer};
use tower_multiserver_knock::KnockLayer;
use tower_service::Service;

use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(5);

/// How a server that hears a byte of this every `pause` ends, and when, and what it has said.
async fn dribbled<A: Authorize>(
    server: KnockLayer<A>,
    said: &[u8],
    pause: Duration,
) -> (Option<ErrorKind>, Duration, usize) {
    let (near, raw) = tokio::io::duplex(1000);
    let (mut hearing, mut saying) = tokio::io::split(near);
    let start = Instant::now();
    let deadline = Some(start + DEADLINE);
    let mut stack = server.layer(Pipes::new());
    poll_fn(|cx| Service::<Accept<_>>::poll_ready(&mut stack, cx))
        .await
        .unwrap();
    let accept = stack.call(Accept { raw, deadline });
    let dribble = async {
        for byte in said {
            saying.write_all(&[*byte]).await.unwrap();
            sleep(pause).await;
        }
        pending::<()>().await;
    };
    let (kind, elapsed) = tokio::select! {
        accepted = accept => (accepted.err().map(|error| error.kind()), start.elapsed()),
        () = dribble => unreachable!("it has no end"),
    };
    let mut heard = Vec::new();
    hearing.read_to_end(&mut heard).await.unwrap();
    (kind, elapsed, heard.len())
}

fn assert_about(elapsed: Duration, expected: Duration) {
    let tolerance = Duration::from_millis(50);
    assert!(elapsed.abs_diff(expected) < tolerance, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mute_or_slow_peer_is_cut_off_at_the_deadline_without_a_byte() {
    let (alice, bob) = (identity(), identity());
    let knock = knock(&alice, &bob);
    let server = KnockLayer::new(bob);
    for (said, pause) in [
        (&knock[..0], Duration::ZERO),
        (&knock[..96], Duration::ZERO),
        (&knock, Duration::from_millis(4900)),
        (&knock, Duration::from_millis(60)),
    ] {
        let (kind, elapsed, heard) = dribbled(server.clone(), said, pause).await;
        assert_eq!((kind, heard), (Some(ErrorKind::Timeout), 0));
        assert_about(elapsed, DEADLINE);
    }
    // 96 pauses before the last byte.
    let (kind, elapsed, _) = dribbled(server, &knock, Duration::from_millis(50)).await;
    assert_eq!(kind, None);
    assert_about(elapsed, Duration::from_millis(4800));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_never_answers_is_cut_off() {
    let (alice, bob) = (identity(), identity());
    let knock = knock(&alice, &bob);
    let hook = async |_: Peer| pending::<Result<(), BoxError>>().await;
    let server = KnockLayer::new(bob).authorize(hook);
    let (kind, elapsed, heard) = dribbled(server, &knock, Duration::ZERO).await;
    assert_eq!((kind, heard), (Some(ErrorKind::Timeout), 0));
    assert_about(elapsed, DEADLINE);
}
