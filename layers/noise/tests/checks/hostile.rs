//! Peers that do not keep to the protocol.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_multiserver_core::{AppKey, Error, ErrorKind, PublicKey, Role, Transform};
use tower_multiserver_noise::{
    Args, NoiseLayer,
    handshake::{ACCEPT, AUTH, Client, HELLO, HandshakeError, Server},
};

use crate::support::*;

/// What a server answers to that, and how its handshake ends.
async fn answer(server: NoiseLayer, said: &[u8]) -> (Vec<u8>, Upgraded) {
    let (mut near, far) = tokio::io::duplex(1000);
    near.write_all(said).await.unwrap();
    let upgraded = server.upgrade(pipe(far), Role::Accept).await;
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    (heard, upgraded)
}

#[tokio::test]
async fn whoever_is_not_of_the_network_gets_no_byte() {
    let bob = identity();
    let key = bob.public_key();
    let other = AppKey::from_bytes([9; 32]);
    let (_, wrong) = Client::new(&other, &identity(), key).unwrap();
    let mut tls = [0x5a; HELLO];
    tls[..6].copy_from_slice(&[0x16, 3, 1, 2, 0, 1]);
    for said in [
        &wrong[..],
        b"GET / HTTP/1.1\r\nHost: example.invalid\r\nUser-Agent: somebody else\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n and so on, and so on, and on",
        &tls,
        &[0; HELLO],
    ] {
        let (heard, upgraded) = answer(NoiseLayer::new(bob.clone()), said).await;
        assert!(heard.is_empty());
        assert_eq!(upgraded.as_ref().unwrap_err().kind(), ErrorKind::Handshake);
        assert_eq!(cause(&upgraded), Some(HandshakeError::BadHello));
    }

    let client = NoiseLayer::new(identity()).app_key(other);
    let (client, server) = meet(client, NoiseLayer::new(bob.clone()), to(&bob)).await;
    assert_eq!(cause(&client), Some(HandshakeError::HelloRefused));
    assert_eq!(cause(&server), Some(HandshakeError::BadHello));
}

#[tokio::test]
async fn a_client_of_another_key_gets_no_byte() {
    let bob = identity();
    let (client, server) = meet(
        NoiseLayer::new(identity()),
        NoiseLayer::new(bob),
        to(&identity()),
    )
    .await;
    assert_eq!(client.as_ref().unwrap_err().kind(), ErrorKind::Handshake);
    assert_eq!(cause(&client), Some(HandshakeError::HelloRefused));
    assert_eq!(cause(&server), Some(HandshakeError::BadHello));
}

/// Random bytes, an answer to somebody else, our own hello, and a key of small order.
#[tokio::test]
async fn a_client_says_nothing_more_to_a_bad_hello() {
    let bob = identity();
    let (_, other) = Client::new(&AppKey::SSB, &identity(), bob.public_key()).unwrap();
    let server = Server::new(&AppKey::SSB, &bob);
    let (_, other) = server.receive_hello(&other).unwrap();
    for bad in [Some([7; HELLO]), Some(other), Some([0; HELLO]), None] {
        let layer = NoiseLayer::new(identity());
        let (near, mut far) = tokio::io::duplex(1000);
        let server = async {
            let mut hello = [0; HELLO];
            far.read_exact(&mut hello).await.unwrap();
            far.write_all(&bad.unwrap_or(hello)).await.unwrap();
            let mut more = Vec::new();
            far.read_to_end(&mut more).await.unwrap();
            more
        };
        let (upgraded, more) = tokio::join!(layer.upgrade(pipe(near), to(&bob)), server);
        assert!(more.is_empty(), "{bad:?}");
        assert_eq!(cause(&upgraded), Some(HandshakeError::BadHello), "{bad:?}");
    }
}

#[tokio::test]
async fn a_client_of_hand_made_arguments_says_nothing_to_a_key_that_nobody_can_hold() {
    let (near, mut far) = tokio::io::duplex(1000);
    let key = PublicKey::from_bytes([0; 32]);
    let role = Role::Dial(Args { key, seed: None });
    let upgraded = NoiseLayer::new(identity()).upgrade(pipe(near), role).await;
    assert_eq!(
        upgraded.as_ref().unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(cause(&upgraded), Some(HandshakeError::BadServerKey));
    assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_proof_before_the_servers_hello_is_refused() {
    let bob = identity();
    let key = bob.public_key();
    let alice = identity();
    // A whole handshake as somebody else once saw it.
    let (client, hello) = Client::new(&AppKey::SSB, &alice, key).unwrap();
    let server = Server::new(&AppKey::SSB, &bob);
    let (_, answered) = server.receive_hello(&hello).unwrap();
    let (_, auth) = client.receive_hello(&answered).unwrap();

    let said = [&hello[..], &auth[..]].concat();
    let (heard, upgraded) = answer(NoiseLayer::new(bob), &said).await;
    assert_eq!(heard.len(), HELLO);
    assert_eq!(cause(&upgraded), Some(HandshakeError::BadAuth));
}

/// Who minds, what the other side makes of its silence, and what both have said by then.
fn expected(message: usize) -> (HandshakeError, HandshakeError, usize, usize) {
    use HandshakeError::*;
    match message {
        0 => (HelloRefused, BadHello, HELLO, 0),
        1 => (BadHello, ClientGone, HELLO, HELLO),
        2 => (AuthRefused, BadAuth, HELLO + AUTH, HELLO),
        _ => (BadAccept, BadAccept, HELLO + AUTH, HELLO + ACCEPT),
    }
}

/// Both sides leave when their handshake has ended.
async fn meet_through(middleman: Middleman) -> (Result<(), Error>, Result<(), Error>, Heard) {
    let bob = identity();
    let (near, near_end) = tokio::io::duplex(1000);
    let (far_end, far) = tokio::io::duplex(1000);
    let (client, server) = (NoiseLayer::new(identity()), NoiseLayer::new(bob.clone()));
    tokio::join!(
        async { client.upgrade(pipe(near), to(&bob)).await.map(drop) },
        async { server.upgrade(pipe(far), Role::Accept).await.map(drop) },
        middleman.relay(near_end, far_end),
    )
}

#[tokio::test]
async fn after_a_changed_byte_its_receiver_says_nothing_more() {
    for (message, length) in MESSAGES.into_iter().enumerate() {
        for at in 0..length {
            let middleman = Middleman {
                message,
                at,
                is_change: true,
            };
            let (client, server, heard) = meet_through(middleman).await;
            let (to_client, to_server, from_client, from_server) = expected(message);
            assert_eq!(cause(&client), Some(to_client), "{middleman:?}");
            // A server that was heard has done its part.
            match message {
                3 => assert!(server.is_ok()),
                _ => assert_eq!(cause(&server), Some(to_server), "{middleman:?}"),
            }
            assert_eq!(heard.from_client, from_client, "{middleman:?}");
            assert_eq!(heard.from_server, from_server, "{middleman:?}");
        }
    }
}

#[tokio::test]
async fn an_end_anywhere_ends_both_sides() {
    use HandshakeError::*;
    for (message, length) in MESSAGES.into_iter().enumerate() {
        for at in 0..length {
            let middleman = Middleman {
                message,
                at,
                is_change: false,
            };
            let (client, server, _) = meet_through(middleman).await;
            let expected = if message < 2 {
                HelloRefused
            } else {
                AuthRefused
            };
            assert_eq!(cause(&client), Some(expected), "{middleman:?}");
            match message {
                3 => assert!(server.is_ok()),
                _ => assert_eq!(cause(&server), Some(ClientGone), "{middleman:?}"),
            }
        }
    }
}
