//! One deadline for the whole handshake, whatever a peer does.

use std::{future::pending, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep},
};
use tower_layer::Layer;
use tower_multiserver_core::{Accept, Address, ErrorKind, PeerId};
use tower_multiserver_mtls::MtlsLayer;
use tower_service::Service;

use crate::{hostile_client::hello, support::*};

const DEADLINE: Duration = Duration::from_secs(5);

/// How a server ends that hears `at_once`, and then a byte of `slowly` every `pause`.
async fn dribbled(at_once: &[u8], slowly: &[u8], pause: Duration) -> (ErrorKind, Duration) {
    let (mut near, raw) = tokio::io::duplex(10_000);
    let start = Instant::now();
    let deadline = Some(start + DEADLINE);
    let mut stack = MtlsLayer::new(identity()).layer(Pipes::new());
    let accept = stack.call(Accept { raw, deadline });
    let dribble = async {
        near.write_all(at_once).await.unwrap();
        for byte in slowly {
            sleep(pause).await;
            near.write_all(&[*byte]).await.unwrap();
        }
        pending::<()>().await;
    };
    tokio::select! {
        accepted = accept => (accepted.unwrap_err().kind(), start.elapsed()),
        () = dribble => unreachable!("it has no end"),
    }
}

fn assert_about(elapsed: Duration, expected: Duration) {
    let tolerance = Duration::from_millis(250);
    assert!(elapsed.abs_diff(expected) < tolerance, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mute_client_is_cut_off() {
    let hello = hello();
    for said in [&[][..], &hello[..1], &hello] {
        let (kind, elapsed) = dribbled(said, &[], DEADLINE).await;
        assert_eq!(kind, ErrorKind::Timeout);
        assert_about(elapsed, DEADLINE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gains_no_time_by_its_bytes() {
    for pause in [10, 4_900] {
        let pause = Duration::from_millis(pause);
        let (kind, elapsed) = dribbled(&[], &hello(), pause).await;
        assert_eq!(kind, ErrorKind::Timeout);
        assert_about(elapsed, DEADLINE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mute_server_is_given_up() {
    let (near, _far) = tokio::io::duplex(10_000);
    let start = Instant::now();
    let pipes = Pipes::new().deadline(start + DEADLINE).to_dial(near);
    let mut stack = MtlsLayer::new(identity()).layer(pipes);
    let id = PeerId::from(identity().public_key());
    let address: Address = format!("pipe~mtls:{id}").parse().unwrap();
    let error = stack.call(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_about(start.elapsed(), DEADLINE);
}
