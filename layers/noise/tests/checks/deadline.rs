//! One deadline for the whole handshake, whatever a peer does.

use std::{future::pending, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};
use tower_layer::Layer;
use tower_multiserver_core::{Accept, Address, AppKey, BoxError, ErrorKind, Peer};
use tower_multiserver_noise::{
    NoiseLayer,
    handshake::{AUTH, Client, HELLO, HandshakeError},
};
use tower_service::Service;

use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(5);

/// Runs the clock while a server hears `byte` every `pause`.
async fn dribbled(pause: Duration) -> (ErrorKind, Duration) {
    let (mut near, raw) = tokio::io::duplex(1000);
    let start = Instant::now();
    let deadline = Some(start + DEADLINE);
    let mut stack = NoiseLayer::new(identity()).layer(Pipes::new());
    let accept = stack.call(Accept { raw, deadline });
    let dribble = async {
        loop {
            sleep(pause).await;
            if near.write_all(&[7]).await.is_err() {
                pending::<()>().await;
            }
        }
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
async fn a_slow_peer_is_cut_off_at_the_deadline() {
    for pause in [Duration::from_secs(3600), Duration::from_millis(4900)] {
        let (kind, elapsed) = dribbled(pause).await;
        assert_eq!(kind, ErrorKind::Timeout);
        assert_about(elapsed, DEADLINE);
    }
    // One that says what is wrong in time need not wait so long.
    let (kind, elapsed) = dribbled(Duration::from_millis(10)).await;
    assert_eq!(kind, ErrorKind::Handshake);
    assert_about(elapsed, Duration::from_millis(480));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_anywhere_is_cut_off_at_the_deadline() {
    let bob = identity();
    let key = bob.public_key();
    for said in [0, 1, HELLO - 1, HELLO, HELLO + 1, HELLO + AUTH - 1] {
        let (mut near, raw) = tokio::io::duplex(1000);
        let start = Instant::now();
        let deadline = Some(start + DEADLINE);
        let mut stack = NoiseLayer::new(bob.clone()).layer(Pipes::new());
        let accept = stack.call(Accept { raw, deadline });
        let talk = async {
            let (client, hello) = Client::new(&AppKey::SSB, &identity(), key).unwrap();
            near.write_all(&hello[..said.min(HELLO)]).await.unwrap();
            let mut answer = [0; HELLO];
            if said >= HELLO {
                near.read_exact(&mut answer).await.unwrap();
                let (_, auth) = client.receive_hello(&answer).unwrap();
                near.write_all(&auth[..said - HELLO]).await.unwrap();
            }
            let mut more = Vec::new();
            near.read_to_end(&mut more).await.unwrap();
            more
        };
        let (accepted, more) = tokio::join!(accept, talk);
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::Timeout, "{said}");
        assert_about(start.elapsed(), DEADLINE);
        assert!(more.is_empty(), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mute_server_is_given_up_at_the_deadline() {
    let bob = identity();
    let (near, mut far) = tokio::io::duplex(1000);
    let start = Instant::now();
    let pipes = Pipes::new().deadline(start + DEADLINE).to_dial(near);
    let mut stack = NoiseLayer::new(identity()).layer(pipes);
    let address: Address = format!("pipe~noise:{}", bob.public_key()).parse().unwrap();
    let error = stack.call(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_about(start.elapsed(), DEADLINE);
    // The socket is closed, behind our hello.
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.len(), HELLO);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_never_answers_is_cut_off() {
    let bob = identity();
    let (near, raw) = tokio::io::duplex(1000);
    let start = Instant::now();
    let deadline = Some(start + DEADLINE);
    let hook = async |_: Peer| pending::<Result<(), BoxError>>().await;
    let mut server = NoiseLayer::new(bob.clone())
        .authorize(hook)
        .layer(Pipes::new());
    let pipes = Pipes::new().to_dial(near);
    let mut client = NoiseLayer::new(identity()).layer(pipes);
    let address: Address = format!("pipe~noise:{}", bob.public_key()).parse().unwrap();
    let (client, server) =
        tokio::join!(client.call(address), server.call(Accept { raw, deadline }),);
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Timeout);
    assert_about(start.elapsed(), DEADLINE);
    // It sees no more than a close.
    assert_eq!(cause(&client), Some(HandshakeError::AuthRefused));
}
