//! Addresses, what goes over the wire, and what becomes of the bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_layer::Layer;
use tower_multiserver_core::{
    Address, AppKey, ErrorKind, HalfClose, PublicKey, RemoteKey, Role, Seed, Transform,
};
use tower_multiserver_shs::{
    Args, ShsLayer,
    box_stream::{HEADER, Next, Opener, Sealer},
    handshake::{ACCEPT, AUTH, HELLO},
};
use tower_service::Service;

use crate::support::*;

#[tokio::test]
async fn a_key_that_nobody_can_hold_is_refused_before_the_dial() {
    let pipes = Pipes::<tokio::io::DuplexStream>::new();
    let mut stack = ShsLayer::new(identity()).layer(pipes.clone());
    let mut one = [0; 32];
    one[0] = 1;
    let mut addresses = vec!["pipe~shs".to_owned(), "pipe~shs:c2hvcnQ=".to_owned()];
    for bytes in [[0; 32], one, [0xff; 32]] {
        addresses.push(format!("pipe~shs:{}", PublicKey::from_bytes(bytes)));
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
    let layer = ShsLayer::new(identity());
    let (client, server) = meet(layer, ShsLayer::new(bob.clone()), Role::Dial(args.clone())).await;
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(server.info().get(), Some(&RemoteKey(guest)));
    assert_eq!(
        server.info().address().to_string(),
        format!("pipe~shs:{guest}")
    );
    let address = client.info().address().to_string();
    assert_eq!(address, format!("pipe~shs:{}", bob.public_key()));

    let refused = meet(
        ShsLayer::new(identity()),
        ShsLayer::new(identity()),
        Role::Dial(args),
    )
    .await;
    let shown = format!("{client:?} {:?}", refused.0.unwrap_err());
    assert!(!shown.contains(&*seed.to_base64()), "{shown}");
}

#[test]
fn a_server_is_named_by_its_key_and_its_layer_shows_nothing_else() {
    let bob = identity();
    let layer = ShsLayer::new(bob.clone()).app_key(AppKey::from_bytes([171; 32]));
    let key = bob.public_key();
    assert_eq!(layer.section().to_string(), format!("shs:{key}"));
    let shown = format!("{layer:?}");
    assert!(
        shown.contains(&key.to_string()) && !shown.contains("171, 171"),
        "{shown}"
    );
    assert!(!shown.contains(&*bob.seed().to_base64()));
}

#[tokio::test]
async fn a_client_greets_unless_told_otherwise_and_no_application_hears_it() {
    for (is_greeting, said) in [(true, HELLO + AUTH + HEADER), (false, HELLO + AUTH)] {
        let bob = identity();
        let (near, mut far) = tokio::io::duplex(1000);
        let layer = ShsLayer::new(identity()).greeting(is_greeting);
        let server = async {
            let (accept, outcome) = serve(&mut far, &bob).await;
            far.write_all(&accept).await.unwrap();
            outcome
        };
        let (client, outcome) = tokio::join!(layer.upgrade(pipe(near), to(&bob)), server);
        drop(client.unwrap());
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(HELLO + AUTH + rest.len(), said);
        let opened = Opener::new(outcome.receiving).open(&rest, &mut []).unwrap();
        assert_eq!((opened.read, opened.next), (rest.len(), Next::Sealed));
    }

    let (mut client, mut server) = connected().await;
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_at_once_is_heard_whole() {
    // Its proof, a frame and the goodbye come in one piece, and its end behind them.
    let bob = identity();
    let (near, mut far) = tokio::io::duplex(1000);
    let server = async {
        let (accept, outcome) = serve(&mut far, &bob).await;
        let mut sealer = Sealer::new(outcome.sending);
        let mut stream = accept.to_vec();
        stream.extend([0; HEADER + 5]);
        sealer.seal(b"hello", &mut stream[ACCEPT..]);
        stream.extend(sealer.goodbye());
        far.write_all(&stream).await.unwrap();
        drop(far);
    };
    let client = ShsLayer::new(identity()).upgrade(pipe(near), to(&bob));
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
        let layer = ShsLayer::new(identity()).greeting(false);
        let (client, ()) = tokio::join!(layer.upgrade(near, to(&bob)), server);
        let mut client = client.unwrap();
        client.shutdown().await.unwrap();
        far.read_exact(&mut [0; HEADER]).await.unwrap();
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
        ShsLayer::new(identity()).upgrade(pipe(near), to(&bob)),
        ShsLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
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
