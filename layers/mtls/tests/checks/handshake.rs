//! Who meets whom, and what either learns.

use rustls::{ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_layer::Layer;
use tower_multiserver_core::{
    Address, ClaimedKey, ErrorKind, HalfClose, PeerId, PublicKey, RemoteKey, Role, Transform, Turns,
};
use tower_multiserver_mtls::{MtlsLayer, Reason};
use tower_service::Service;

use crate::{raw, support::*};

#[tokio::test]
async fn both_sides_learn_the_key_of_the_other() {
    let (alice, bob) = (identity(), identity());
    let (client, server) = meet(
        MtlsLayer::new(alice.clone()),
        MtlsLayer::new(bob.clone()),
        to(&bob),
    )
    .await;
    for (connection, peer) in [(client.unwrap(), bob), (server.unwrap(), alice)] {
        let info = connection.info();
        assert_eq!(info.get(), Some(&RemoteKey(peer.public_key())));
        assert_eq!(info.get(), Some(&HalfClose));
        let id = PeerId::from(peer.public_key());
        assert_eq!(info.address().to_string(), format!("pipe~mtls:{id}"));
    }
}

#[tokio::test]
async fn a_stack_dials_and_accepts_by_the_address() {
    let (alice, bob) = (identity(), identity());
    let (near, raw) = tokio::io::duplex(1000);
    let pipes = Pipes::new().to_dial(near);
    let mut client = MtlsLayer::new(alice).layer(pipes);
    let layer = MtlsLayer::new(bob);
    let address: Address = format!("pipe~{}", layer.section()).parse().unwrap();
    let mut server = layer.layer(Pipes::new());
    let accept = tower_multiserver_core::Accept {
        raw,
        deadline: None,
    };
    let (client, server) = tokio::join!(client.call(address.clone()), server.call(accept));
    assert_eq!(client.unwrap().info().address(), &address);
    server.unwrap();
}

#[tokio::test]
async fn a_client_meets_the_key_that_it_dials_and_no_other() {
    let (bob, eve) = (identity(), identity());
    let (client, server) = meet(MtlsLayer::new(identity()), MtlsLayer::new(eve), to(&bob)).await;
    assert_eq!(client.as_ref().unwrap_err().kind(), ErrorKind::Certificate);
    assert_eq!(reason(&client), Some(Reason::WrongKey));
    assert_eq!(server.as_ref().unwrap_err().kind(), ErrorKind::Handshake);
    assert_eq!(reason(&server), Some(Reason::Alert(42)));
}

#[tokio::test]
async fn a_server_meets_who_was_claimed_and_a_client_learns_of_its_refusal_when_it_reads() {
    let (alice, bob, eve) = (identity(), identity(), identity());
    for (dialer, is_met) in [(&alice, true), (&eve, false)] {
        let (near, far) = tokio::io::duplex(1000);
        let (client, server) = tokio::join!(
            MtlsLayer::new(dialer.clone()).upgrade(pipe(near), to(&bob)),
            MtlsLayer::new(bob.clone()).upgrade(claimed(far, &alice), Role::Accept),
        );
        let mut client = client.unwrap();
        if is_met {
            let server = server.unwrap();
            assert_eq!(server.info().remote_key(), Some(alice.public_key()));
            continue;
        }
        assert_eq!(server.as_ref().unwrap_err().kind(), ErrorKind::Certificate);
        assert_eq!(reason(&server), Some(Reason::WrongKey));
        let error = client.read(&mut [0; 9]).await.unwrap_err();
        let (_, reason, at) = failure(&error);
        assert_eq!(reason, Reason::Alert(42));
        assert_eq!(&at, client.info().address());
        // For good.
        let again = client.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(failure(&again).1, Reason::Alert(42));
    }
}

#[tokio::test]
async fn a_client_that_was_told_another_key_than_it_dials_says_nothing() {
    let (bob, eve) = (identity(), identity());
    let (near, mut far) = tokio::io::duplex(1000);
    let dialed = MtlsLayer::new(identity()).upgrade(claimed(near, &eve), to(&bob));
    let dialed = in_time(dialed).await;
    assert_eq!(reason(&dialed), Some(Reason::WrongKey));
    assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);

    let (near, far) = tokio::io::duplex(1000);
    let (client, server) = tokio::join!(
        MtlsLayer::new(identity()).upgrade(claimed(near, &bob), to(&bob)),
        MtlsLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
    );
    let claims = client.unwrap();
    assert_eq!(claims.info().get(), Some(&ClaimedKey(bob.public_key())));
    server.unwrap();
}

#[tokio::test]
async fn a_client_of_hand_made_arguments_says_nothing_to_a_key_that_nobody_can_hold() {
    let (near, mut far) = tokio::io::duplex(1000);
    let role = Role::Dial(PeerId::from(PublicKey::from_bytes([0; 32])));
    let dialed = MtlsLayer::new(identity()).upgrade(pipe(near), role);
    let dialed = in_time(dialed).await;
    assert_eq!(dialed.as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(reason(&dialed), Some(Reason::UnusableKey));
    assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);
}

/// What an ordinary TLS library sees of us.
#[tokio::test]
async fn a_client_offers_one_version_and_no_name_and_shows_the_certificate_of_libocr() {
    let (alice, bob) = (identity(), identity());
    let (near, far) = tokio::io::duplex(1000);
    let (mut config, _) = raw::server(raw::honest(&bob));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (client, server) = tokio::join!(
        MtlsLayer::new(alice.clone()).upgrade(pipe(near), to(&bob)),
        raw::accept(config, far),
    );
    client.unwrap();
    let server = server.unwrap();
    let session = server.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(session.server_name(), None);
    assert_eq!(session.alpn_protocol(), None);
    let shown = session.peer_certificates().unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].len(), 178);
    assert_eq!(shown[0][72..104], *alice.public_key().as_bytes());
}

#[tokio::test]
async fn a_certificate_of_another_make_is_as_good_on_either_side() {
    let (alice, bob) = (identity(), identity());
    let (near, far) = tokio::io::duplex(1000);
    let (client, server) = tokio::join!(
        raw::connect(raw::client(Some(raw::honest(&alice))), near),
        MtlsLayer::new(bob.clone()).upgrade(pipe(far), Role::Accept),
    );
    client.unwrap();
    assert_eq!(
        server.unwrap().info().remote_key(),
        Some(alice.public_key())
    );

    let (near, far) = tokio::io::duplex(1000);
    let (config, _) = raw::server(raw::honest(&bob));
    let (client, server) = tokio::join!(
        MtlsLayer::new(alice).upgrade(pipe(near), to(&bob)),
        raw::accept(config, far),
    );
    server.unwrap();
    assert_eq!(client.unwrap().info().remote_key(), Some(bob.public_key()));
}

#[tokio::test]
async fn a_peer_that_cannot_check_ed25519_is_refused() {
    let bob = identity();
    let mut crypto = rustls::crypto::ring::default_provider();
    let schemes = crypto.signature_verification_algorithms.mapping;
    // Without the last, which is Ed25519.
    let at = schemes
        .iter()
        .position(|(scheme, _)| *scheme == SignatureScheme::ED25519)
        .unwrap();
    crypto.signature_verification_algorithms.mapping = &schemes[..at];
    let config = raw::client_of(
        crypto,
        &[&rustls::version::TLS13],
        Some(raw::honest(&identity())),
    );
    let (near, far) = tokio::io::duplex(1000);
    let (_, server) = tokio::join!(
        told(config, near),
        MtlsLayer::new(bob).upgrade(pipe(far), Role::Accept),
    );
    assert_eq!(reason(&server), Some(Reason::Violation));
}

#[tokio::test]
async fn a_dial_says_nothing_before_its_turn() {
    let (alice, bob) = (identity(), identity());
    let turns = Turns::new(std::time::Duration::from_secs(3));
    let (near, mut far) = tokio::io::duplex(10_000);
    let mut first = tokio_test::task::spawn(turns.of(async {
        tower_multiserver_core::turn().await;
        std::future::pending::<Result<(), _>>().await
    }));
    tokio_test::assert_pending!(first.poll());
    let dial = MtlsLayer::new(alice).upgrade(pipe(near), to(&bob));
    let mut second = tokio_test::task::spawn(turns.of(dial));
    tokio_test::assert_pending!(second.poll());
    let mut byte = [0];
    {
        let mut heard = tokio_test::task::spawn(far.read(&mut byte));
        tokio_test::assert_pending!(heard.poll());
    }
    drop(first);
    assert!(second.is_woken());
    tokio_test::assert_pending!(second.poll());
    far.read_exact(&mut byte).await.unwrap();
    // A handshake record.
    assert_eq!(byte, [0x16]);
}

#[tokio::test]
async fn nothing_that_is_shown_holds_the_seed() {
    let bob = identity();
    let layer = MtlsLayer::new(bob.clone());
    let (client, server) = meet(layer.clone(), layer.clone(), to(&bob)).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    server.write_all(b"hello").await.unwrap();
    let failed = meet(layer.clone(), layer.clone(), to(&identity())).await;
    let shown = format!(
        "{layer:?} {client:?} {:?} {:?} {failed:?} {:?}",
        client.get_ref(),
        server.get_ref(),
        client.info()
    );
    let seed = bob.seed();
    for secret in [
        seed.to_base64().to_string(),
        hex::encode(seed.as_bytes()),
        format!("{:?}", seed.as_bytes()).replace(['[', ']'], ""),
    ] {
        assert!(!shown.contains(&secret), "{shown}");
    }
    assert!(shown.contains(&bob.public_key().to_string()), "{shown}");
}
