//! Peers that do not keep to the protocol.

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_multiserver_core::{
    AppKey, Error, ErrorKind, Identity, Role, Seed, Transform,
    testing::{Fault, Manner, Side, Wire},
};
use tower_multiserver_shs::{
    ShsLayer,
    handshake::{ACCEPT, AUTH, Client, HELLO, HandshakeError, Server},
};

use crate::support::*;

#[derive(Deserialize)]
struct Own {
    honest: Honest,
    msg1_bad: Vec<Message1>,
    msg2_bad: Vec<Message2>,
}

#[derive(Deserialize)]
struct Honest {
    app_key: String,
    server_seed: String,
}

#[derive(Deserialize)]
struct Message1 {
    name: String,
    msg1: String,
}

#[derive(Deserialize)]
struct Message2 {
    name: String,
    msg2: String,
}

fn own() -> Own {
    serde_json::from_str(include_str!("../vectors/shs1-own.json")).unwrap()
}

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

impl Honest {
    fn app_key(&self) -> AppKey {
        AppKey::from_bytes(bytes(&self.app_key))
    }

    fn server(&self) -> Identity {
        Identity::from_seed(&Seed::from_bytes(bytes(&self.server_seed)))
    }
}

/// What a server answers to that, and how its handshake ends.
async fn answer(server: ShsLayer, said: &[u8]) -> (Vec<u8>, Upgraded) {
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
    let mut tls = [0x5a; 64];
    tls[..6].copy_from_slice(&[0x16, 3, 1, 2, 0, 1]);
    for said in [
        &wrong[..],
        b"GET / HTTP/1.1\r\nHost: example.invalid\r\nUser-Agent: somebody else\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n and so on, and so on, and on",
        &tls,
        &[0; 64],
    ] {
        let (heard, upgraded) = answer(ShsLayer::new(bob.clone()), said).await;
        assert!(heard.is_empty());
        assert_eq!(upgraded.as_ref().unwrap_err().kind(), ErrorKind::Handshake);
        assert_eq!(cause(&upgraded), Some(HandshakeError::BadHello));
    }

    let client = ShsLayer::new(identity()).app_key(other);
    let (client, server) = meet(client, ShsLayer::new(bob.clone()), to(&bob)).await;
    assert_eq!(cause(&client), Some(HandshakeError::HelloRefused));
    assert_eq!(cause(&server), Some(HandshakeError::BadHello));
}

#[tokio::test]
async fn a_hello_of_small_order_gets_no_byte_and_harms_nobody() {
    let own = own();
    let layer = ShsLayer::new(own.honest.server()).app_key(own.honest.app_key());
    for bad in &own.msg1_bad {
        let said = hex::decode(&bad.msg1).unwrap();
        let (heard, upgraded) = answer(layer.clone(), &said).await;
        assert!(heard.is_empty(), "{}", bad.name);
        assert_eq!(
            cause(&upgraded),
            Some(HandshakeError::BadHello),
            "{}",
            bad.name
        );
    }
    // A hundred of them at once.
    let mut crowd = tokio::task::JoinSet::new();
    for bad in own.msg1_bad.iter().cycle().take(100) {
        let (layer, said) = (layer.clone(), hex::decode(&bad.msg1).unwrap());
        crowd.spawn(async move { answer(layer, &said).await });
    }
    let client = ShsLayer::new(identity()).app_key(own.honest.app_key());
    let (client, server) = meet(client, layer, to(&own.honest.server())).await;
    assert!(client.is_ok() && server.is_ok());
    while let Some(answered) = crowd.join_next().await {
        let (heard, upgraded) = answered.unwrap();
        assert!(heard.is_empty());
        assert_eq!(cause(&upgraded), Some(HandshakeError::BadHello));
    }
}

#[tokio::test]
async fn a_client_says_nothing_more_to_a_bad_hello() {
    let own = own();
    let (reflected, bad) = own.msg2_bad.split_last().unwrap();
    assert_eq!(reflected.name, "reflected msg1");
    // Instead of that hello of another handshake, our own comes back.
    for bad in bad.iter().map(Some).chain([None]) {
        let layer = ShsLayer::new(identity()).app_key(own.honest.app_key());
        let (near, mut far) = tokio::io::duplex(1000);
        let server = async {
            let mut hello = [0; HELLO];
            far.read_exact(&mut hello).await.unwrap();
            let answer = bad.map(|bad| hex::decode(&bad.msg2).unwrap());
            far.write_all(&answer.unwrap_or(hello.to_vec()))
                .await
                .unwrap();
            let mut more = Vec::new();
            far.read_to_end(&mut more).await.unwrap();
            more
        };
        let role = to(&own.honest.server());
        let (upgraded, more) = tokio::join!(layer.upgrade(pipe(near), role), server);
        let name = bad.map(|bad| &bad.name);
        assert!(more.is_empty(), "{name:?}");
        assert_eq!(cause(&upgraded), Some(HandshakeError::BadHello), "{name:?}");
    }
}

#[tokio::test]
async fn a_proof_before_the_servers_hello_is_refused() {
    let bob = identity();
    let key = bob.public_key();
    let alice = identity();
    // A whole handshake as somebody else once saw it.
    let (client, hello) = Client::new(&AppKey::SSB, &alice, key).unwrap();
    let server = Server::new(&AppKey::SSB, &bob).unwrap();
    let (_, answered) = server.receive_hello(&hello).unwrap();
    let (_, auth) = client.receive_hello(&answered).unwrap();

    let said = [&hello[..], &auth[..]].concat();
    let (heard, upgraded) = answer(ShsLayer::new(bob), &said).await;
    assert_eq!(heard.len(), HELLO);
    assert_eq!(cause(&upgraded), Some(HandshakeError::BadAuth));
}

/// Who minds, what the other side makes of its silence, and what both have said by then.
fn expected(message: usize) -> (HandshakeError, HandshakeError, usize, usize) {
    use HandshakeError::*;
    match message {
        0 => (HelloRefused, BadHello, 64, 0),
        1 => (BadHello, ClientGone, 64, 64),
        2 => (AuthRefused, BadAuth, 64 + 112, 64),
        _ => (BadAccept, BadAccept, 64 + 112, 64 + 80),
    }
}

/// Which side sends that message, and at which byte of all that it sends it begins.
fn place(message: usize) -> (Side, u64) {
    let before: usize = MESSAGES[..message].iter().rev().skip(1).step_by(2).sum();
    match message % 2 {
        0 => (Side::Dialer, before as u64),
        _ => (Side::Acceptor, before as u64),
    }
}

/// How both sides end when that happens to a message, and so many bytes each has said. Both leave when their handshake has
/// ended.
async fn meet_through(
    message: usize,
    fault: impl FnOnce(u64) -> Fault,
) -> (Result<(), Error>, Result<(), Error>, [u64; 2]) {
    let bob = identity();
    let (near, far, tap) = Wire::pair(Manner::SMOOTH, 0);
    let (side, start) = place(message);
    tap.set_fault(side, fault(start));
    let (client, server) = (ShsLayer::new(identity()), ShsLayer::new(bob.clone()));
    let (client, server) = tokio::join!(
        async { client.upgrade(pipe(near), to(&bob)).await.map(drop) },
        async { server.upgrade(pipe(far), Role::Accept).await.map(drop) },
    );
    (client, server, Side::BOTH.map(|side| tap.sent(side)))
}

#[tokio::test]
async fn after_a_flipped_bit_anywhere_its_receiver_says_nothing_more() {
    let mut count = 0;
    for (message, length) in MESSAGES.into_iter().enumerate() {
        for bit in 0..8 * length as u64 {
            let (client, server, said) = meet_through(message, |start| Fault::Flip {
                byte: start + bit / 8,
                bit: (bit % 8) as u8,
            })
            .await;
            let (to_client, to_server, from_client, from_server) = expected(message);
            let place = format!("bit {bit} of message {message}");
            assert_eq!(cause(&client), Some(to_client), "{place}");
            // A server that was heard has done its part.
            match message {
                3 => assert!(server.is_ok()),
                _ => assert_eq!(cause(&server), Some(to_server), "{place}"),
            }
            assert_eq!(said, [from_client as u64, from_server as u64], "{place}");
            count += 1;
        }
    }
    assert_eq!(count, 8 * MESSAGES.iter().sum::<usize>());
    println!("measured shs\tflipped bits of a handshake\t{count} refused");
}

#[tokio::test]
async fn an_end_anywhere_ends_both_sides() {
    use HandshakeError::*;
    for (message, length) in MESSAGES.into_iter().enumerate() {
        for at in 0..length as u64 {
            let (client, server, _) = meet_through(message, |start| Fault::Cut(start + at)).await;
            let expected = if message < 2 {
                HelloRefused
            } else {
                AuthRefused
            };
            let place = format!("byte {at} of message {message}");
            assert_eq!(cause(&client), Some(expected), "{place}");
            // A server whose consent is lost may have done its part before the client has left.
            let is_done = message == 3 && server.is_ok();
            assert!(is_done || cause(&server) == Some(ClientGone), "{place}");
        }
    }
}

/// Two handshakes with one server, whose messages a middleman exchanges.
#[test]
fn messages_of_two_handshakes_are_not_exchanged() {
    let bob = identity();
    let server = || Server::new(&AppKey::SSB, &bob).unwrap();
    let client = || Client::new(&AppKey::SSB, &identity(), bob.public_key()).unwrap();
    let ((alice, hello_a), (carol, hello_c)) = (client(), client());
    let (bob_a, answer_a) = server().receive_hello(&hello_a).unwrap();
    let (bob_c, answer_c) = server().receive_hello(&hello_c).unwrap();
    // The other's answer is as good, but a proof is of one handshake.
    let (_, auth_a) = alice.receive_hello(&answer_c).unwrap();
    let (_, auth_c) = carol.receive_hello(&answer_a).unwrap();
    for refusal in [bob_a.receive_auth(&auth_a), bob_c.receive_auth(&auth_c)] {
        assert_eq!(refusal.unwrap_err(), HandshakeError::BadAuth);
    }
}

#[tokio::test]
async fn a_second_handshake_on_the_same_connection_is_no_part_of_its_stream() {
    let bob = identity();
    let server = ShsLayer::new(bob.clone());
    let (mut near, far) = tokio::io::duplex(1000);
    let again = async {
        let (client, hello) = Client::new(&AppKey::SSB, &identity(), bob.public_key()).unwrap();
        near.write_all(&hello).await.unwrap();
        let mut answer = [0; HELLO];
        near.read_exact(&mut answer).await.unwrap();
        let (_, auth) = client.receive_hello(&answer).unwrap();
        near.write_all(&auth).await.unwrap();
        near.read_exact(&mut [0; ACCEPT]).await.unwrap();
        // It is let in, and begins anew.
        near.write_all(&hello).await.unwrap();
        near.shutdown().await.unwrap();
        let mut more = Vec::new();
        near.read_to_end(&mut more).await.unwrap();
        more
    };
    let serve = async {
        let mut accepted = server.upgrade(pipe(far), Role::Accept).await.unwrap();
        let mut text = Vec::new();
        accepted.read_to_end(&mut text).await.unwrap_err();
        text
    };
    let (more, text) = tokio::join!(again, serve);
    assert!(more.is_empty() && text.is_empty());
}

#[tokio::test]
async fn garbage_behind_the_last_message_is_an_error_of_whoever_hears_it() {
    for guilty in Side::BOTH {
        let bob = identity();
        let (near, far, tap) = Wire::pair(Manner::SMOOTH, 0);
        // It takes the place of the first sealed byte.
        let byte = match guilty {
            Side::Dialer => HELLO + AUTH,
            Side::Acceptor => HELLO + ACCEPT,
        } as u64;
        tap.set_fault(guilty, Fault::Flip { byte, bit: 0 });
        let (client, server) = (ShsLayer::new(identity()), ShsLayer::new(bob.clone()));
        let (client, server) = tokio::join!(
            client.upgrade(pipe(near), to(&bob)),
            server.upgrade(pipe(far), Role::Accept),
        );
        let (mut speaker, mut hearer) = match guilty {
            Side::Dialer => (client.unwrap(), server.unwrap()),
            Side::Acceptor => (server.unwrap(), client.unwrap()),
        };
        speaker.write_all(&[7; 300]).await.unwrap();
        speaker.shutdown().await.unwrap();
        let mut text = Vec::new();
        hearer.read_to_end(&mut text).await.unwrap_err();
        assert!(text.is_empty() && tap.has_struck(guilty));
    }
}
