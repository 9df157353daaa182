//! Addresses, what goes over the wire, and what becomes of the bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_layer::Layer;
use tower_multiserver_core::{
    Address, AppKey, ErrorKind, HalfClose, PublicKey, RemoteKey, Role, Seed, Transform,
};
use tower_multiserver_noise::{
    Args, NoiseLayer,
    handshake::ACCEPT,
    transport::{OVERHEAD, Sealer},
};
use tower_service::Service;

use crate::support::*;

#[tokio::test]
async fn a_key_that_nobody_can_hold_is_refused_before_the_dial() {
    let pipes = Pipes::<tokio::io::DuplexStream>::new();
    let mut stack = NoiseLayer::new(identity()).layer(pipes.clone());
    let mut one = [0; 32];
    one[0] = 1;
    let mut addresses = vec!["pipe~noise".to_owned(), "pipe~noise:c2hvcnQ=".to_owned()];
    for bytes in [[0; 32], one, [0xff; 32]] {
        addresses.push(format!("pipe~noise:{}", PublicKey::from_bytes(bytes)));
    }
    for text in addresses {
        let address: Address = text.parse().unwrap();
        let error = stack.call(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
    }
    assert_eq!(pipes.dials(), 0);
}

#[tokio::test]
async fn a_seed_is_who_dials_and_stands_nowhere() {
    let (bob, seed) = (identity(), Seed::generate().unwrap());
    let guest = tower_multiserver_core::Identity::from_seed(&seed).public_key();
    let args = Args {
        key: bob.public_key().try_into().unwrap(),
        seed: Some(seed.clone()),
    };
    let layer = NoiseLayer::new(identity());
    let (client, server) = meet(
        layer,
        NoiseLayer::new(bob.clone()),
        Role::Dial(args.clone()),
    )
    .await;
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(server.info().get(), Some(&RemoteKey(guest)));
    assert_eq!(
        server.info().address().to_string(),
        format!("pipe~noise:{guest}")
    );
    let address = client.info().address().to_string();
    assert_eq!(address, format!("pipe~noise:{}", bob.public_key()));

    let refused = meet(
        NoiseLayer::new(identity()),
        NoiseLayer::new(identity()),
        Role::Dial(args),
    )
    .await;
    let shown = format!("{client:?} {:?}", refused.0.unwrap_err());
    assert!(!shown.contains(&*seed.to_base64()), "{shown}");
}

#[test]
fn a_server_is_named_by_its_key_and_its_layer_shows_nothing_else() {
    let bob = identity();
    let layer = NoiseLayer::new(bob.clone()).app_key(AppKey::from_bytes([171; 32]));
    let key = bob.public_key();
    assert_eq!(layer.section().to_string(), format!("noise:{key}"));
    let shown = format!("{layer:?}");
    assert!(
        shown.contains(&key.to_string()) && !shown.contains("171, 171"),
        "{shown}"
    );
    assert!(!shown.contains(&*bob.seed().to_base64()));
}

#[tokio::test]
async fn a_server_that_speaks_at_once_is_heard_whole() {
    // Its consent, a frame and the goodbye come in one piece, and its end behind them.
    let bob = identity();
    let (near, mut far) = tokio::io::duplex(1000);
    let server = async {
        let (accept, outcome) = serve(&mut far, &bob).await;
        let mut sealer = Sealer::new(outcome.sending);
        let mut stream = accept.to_vec();
        stream.extend([0; OVERHEAD + 5]);
        sealer.seal(b"hello", &mut stream[ACCEPT..]);
        stream.extend(sealer.goodbye());
        far.write_all(&stream).await.unwrap();
        drop(far);
    };
    let client = NoiseLayer::new(identity()).upgrade(pipe(near), to(&bob));
    let (client, ()) = tokio::join!(client, server);
    let mut heard = Vec::new();
    client.unwrap().read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
}

#[tokio::test]
async fn a_transport_is_shut_down_with_our_direction_only_where_it_has_half_close() {
    for has_half_close in [true, false] {
        let bob = identity();
        let (near, mut far) = tokio::io::duplex(1000);
        let near = match has_half_close {
            true => pipe(near).with(HalfClose),
            false => pipe(near),
        };
        let server = async {
            let (accept, _) = serve(&mut far, &bob).await;
            far.write_all(&accept).await.unwrap();
        };
        let layer = NoiseLayer::new(identity());
        let (client, ()) = tokio::join!(layer.upgrade(near, to(&bob)), server);
        let mut client = client.unwrap();
        client.shutdown().await.unwrap();
        far.read_exact(&mut [0; OVERHEAD]).await.unwrap();
        let mut end = [0; 1];
        let mut end = tokio_test::task::spawn(far.read(&mut end));
        match has_half_close {
            true => assert_eq!(tokio_test::assert_ready_ok!(end.poll()), 0),
            false => tokio_test::assert_pending!(end.poll()),
        }
    }
}

#[tokio::test]
async fn a_handshake_goes_through_the_narrowest_pipe() {
    let bob = identity();
    let (near, far) = tokio::io::duplex(1);
    let (client, server) = tokio::join!(
        NoiseLayer::new(identity()).upgrade(pipe(near), to(&bob)),
        NoiseLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
    );
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let mut buf = [0; 5];
    let (said, heard) = tokio::join!(
        async {
            client.write_all(b"hello").await?;
            client.flush().await
        },
        server.read_exact(&mut buf),
    );
    said.unwrap();
    heard.unwrap();
    assert_eq!(&buf, b"hello");
}
