//! What must hold of every handshake.

use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
use sha2::{Digest, Sha512};
use tower_multiserver_core::{AppKey, Identity, PublicKey};
use zeroize::ZeroizeOnDrop;

use crate::secretbox;

use super::{secrets::Secrets, vectors::own, *};

/// `bytes` with each of its bits flipped in turn.
fn flipped<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = (usize, [u8; N])> {
    (0..8 * N).map(move |bit| {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

struct Pair {
    alice: Identity,
    bob: Identity,
}

impl Pair {
    fn new() -> Self {
        Self {
            alice: Identity::generate().unwrap(),
            bob: Identity::generate().unwrap(),
        }
    }

    fn client(&self) -> (Client, [u8; HELLO]) {
        Client::new(&AppKey::SSB, &self.alice, self.bob.public_key()).unwrap()
    }

    fn server(&self) -> Server {
        Server::new(&AppKey::SSB, &self.bob).unwrap()
    }
}

#[test]
fn a_flipped_bit_in_any_message_is_refused_by_its_receiver() {
    let honest = own().honest;
    let mut count = 0;
    for (bit, hello) in flipped(honest.msg1.0) {
        let answer = honest.server().receive_hello(&hello);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadHello, "bit {bit}");
        count += 1;
    }
    for (bit, hello) in flipped(honest.msg2.0) {
        let answer = honest.client().receive_hello(&hello);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadHello, "bit {bit}");
        count += 1;
    }
    for (bit, auth) in flipped(honest.msg3.0) {
        let answer = honest.server_auth().receive_auth(&auth);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadAuth, "bit {bit}");
        count += 1;
    }
    for (bit, accept) in flipped(honest.msg4.0) {
        let answer = honest.client_auth().receive_accept(&accept);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadAccept, "bit {bit}");
        count += 1;
    }
    assert_eq!(count, 2560);
}

#[test]
fn a_handshake_never_repeats_a_key_or_a_nonce() {
    let pair = Pair::new();
    let run = || {
        let (client, hello) = pair.client();
        let (server, hello) = pair.server().receive_hello(&hello).unwrap();
        let (client, auth) = client.receive_hello(&hello).unwrap();
        let (accept, server) = server.receive_auth(&auth).unwrap().accept();
        [client.receive_accept(&accept).unwrap(), server]
    };
    let all: Vec<_> = [run(), run()].into_iter().flatten().collect();
    let mut seen = std::collections::HashMap::new();
    for outcome in &all {
        for key in [&outcome.sending, &outcome.receiving] {
            *seen.entry((*key.key(), *key.nonce())).or_insert(0) += 1;
        }
    }
    // Four directions, each known to its two ends.
    assert_eq!(seen.len(), 4);
    assert!(seen.values().all(|ends| *ends == 2));
}

#[test]
fn a_recorded_client_is_refused_by_a_later_handshake() {
    let pair = Pair::new();
    let (client, hello) = pair.client();
    let (server, answer) = pair.server().receive_hello(&hello).unwrap();
    let (_, auth) = client.receive_hello(&answer).unwrap();
    server.receive_auth(&auth).unwrap();

    let (server, other) = pair.server().receive_hello(&hello).unwrap();
    assert_ne!(other, answer);
    assert_eq!(
        server.receive_auth(&auth).unwrap_err(),
        HandshakeError::BadAuth
    );
}

#[test]
fn a_hello_that_comes_back_is_refused() {
    let (client, hello) = Pair::new().client();
    assert_eq!(
        client.receive_hello(&hello).unwrap_err(),
        HandshakeError::BadHello
    );
}

#[test]
fn networks_do_not_hear_each_other() {
    let pair = Pair::new();
    let other = Server::new(&AppKey::from_bytes([1; 32]), &pair.bob).unwrap();
    let (client, hello) = pair.client();
    assert_eq!(
        other.receive_hello(&hello).unwrap_err(),
        HandshakeError::BadHello
    );

    let (_, hello) = Client::new(
        &AppKey::from_bytes([1; 32]),
        &pair.alice,
        pair.bob.public_key(),
    )
    .unwrap();
    assert_eq!(
        client.receive_hello(&hello).unwrap_err(),
        HandshakeError::BadHello
    );
}

#[test]
fn a_client_that_dials_another_key_is_refused_by_the_server() {
    let pair = Pair::new();
    let (client, hello) = Client::new(
        &AppKey::SSB,
        &pair.alice,
        Identity::generate().unwrap().public_key(),
    )
    .unwrap();
    let (server, hello) = pair.server().receive_hello(&hello).unwrap();
    let (_, auth) = client.receive_hello(&hello).unwrap();
    assert_eq!(
        server.receive_auth(&auth).unwrap_err(),
        HandshakeError::BadAuth
    );
}

/// A key with a part of small order: some of its signatures are good, but its shared secrets are not those of a key that
/// somebody holds.
#[test]
fn a_client_key_outside_of_the_group_is_refused_though_its_signature_is_good() {
    let honest = own().honest;
    let mut secrets = honest.client_secrets();
    secrets.receive_hello(&honest.msg2.0).unwrap();
    let signed = secrets.signed_by_client(honest.server_key());
    let secret = Scalar::from(12_345_u64);
    let answer_to = |key: EdwardsPoint| {
        let key = key.compress().to_bytes();
        let sign = |nonce: u64| {
            let nonce = Scalar::from(nonce);
            let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
            let hash = Sha512::digest([&commitment, &key, &signed[..]].concat());
            let answer = nonce + Scalar::from_bytes_mod_order_wide(&hash.into()) * secret;
            [commitment, answer.to_bytes(), key].concat()
        };
        let is_good = |proof: &Vec<u8>| {
            let signature = proof[..64].try_into().unwrap();
            PublicKey::from_bytes(key).verify(&*signed, signature)
        };
        let proof = (1..).map(sign).find(is_good).unwrap();
        let mut auth = [0; AUTH];
        let (tag, sealed) = auth.split_at_mut(16);
        tag.copy_from_slice(&secretbox::seal(
            &secrets.auth_key(),
            &[0; 24],
            &proof,
            sealed,
        ));
        honest.server_auth().receive_auth(&auth)
    };
    let inside = EdwardsPoint::mul_base(&secret);
    answer_to(inside).unwrap();
    let refusal = answer_to(inside + EIGHT_TORSION[1]).unwrap_err();
    assert_eq!(refusal, HandshakeError::BadAuth);
}

#[test]
fn a_key_that_nobody_can_hold_is_refused_before_the_hello() {
    let alice = Identity::generate().unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    for bytes in [[0; 32], one, [0xff; 32]] {
        let client = Client::new(&AppKey::SSB, &alice, PublicKey::from_bytes(bytes));
        assert_eq!(client.unwrap_err(), HandshakeError::BadServerKey);
    }
}

#[test]
fn our_own_key_is_as_good_as_any() {
    let bob = Identity::generate().unwrap();
    let (client, hello) = Client::new(&AppKey::SSB, &bob, bob.public_key()).unwrap();
    let (server, hello) = Server::new(&AppKey::SSB, &bob)
        .unwrap()
        .receive_hello(&hello)
        .unwrap();
    let (client, auth) = client.receive_hello(&hello).unwrap();
    let server = server.receive_auth(&auth).unwrap();
    assert_eq!(server.client(), bob.public_key());
    client.receive_accept(&server.accept().0).unwrap();
}

#[test]
fn no_step_shows_a_secret() {
    let honest = own().honest;
    let server = honest.server_auth().receive_auth(&honest.msg3.0).unwrap();
    let mut shown = format!(
        "{:?} {:?} {:?} {:?} {server:?}",
        honest.client(),
        honest.client_auth(),
        honest.server(),
        honest.server_auth(),
    );
    let (_, outcome) = server.accept();
    shown += &format!("{outcome:?}");
    assert!(shown.contains(&format!("{:?}", outcome.sending.nonce())));
    for key in [outcome.sending.key(), outcome.receiving.key()] {
        assert!(!shown.contains(&format!("{key:?}")), "{shown}");
    }
    assert!(
        !shown.contains("secrets") && !shown.contains("proof"),
        "{shown}"
    );
}

#[test]
fn the_secrets_of_a_handshake_are_wiped_when_it_ends() {
    fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Secrets>();
}
