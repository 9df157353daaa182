//! What must hold of every handshake.

use snow::{
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use tower_multiserver_core::{AppKey, Identity, PublicKey};
use zeroize::Zeroizing;

use crate::resolver::Resolver;

use super::{state::State, vectors::transcripts, *};

/// `bytes` with each of its bits flipped in turn.
fn flipped<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = (usize, [u8; N])> {
    (0..8 * N).map(move |bit| {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

/// Points of small order, as X25519 takes them: the orders 1, 2, 4 and 8, and those written in another way.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn small_order() -> impl Iterator<Item = [u8; 32]> {
    SMALL_ORDER.iter().flat_map(|text| {
        let point: [u8; 32] = hex::decode(text).unwrap().try_into().unwrap();
        let mut high = point;
        // X25519 does not look at this bit.
        high[31] |= 0x80;
        [point, high]
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
        Server::new(&AppKey::SSB, &self.bob)
    }

    /// What the server says to a client whose X25519 secret is Alice's and whose payload is made by hand.
    fn prove(
        &self,
        proof: impl FnOnce(&[u8; 64]) -> (PublicKey, [u8; 64]),
    ) -> Result<ServerAccept, HandshakeError> {
        let server = self.bob.public_key();
        let server = server.try_into().unwrap();
        let secret = self.alice.x25519_secret();
        let mut client = State::client(Resolver::default(), &AppKey::SSB, &secret, &server);
        let hello = client.write(&[], HandshakeError::BadHello)?;
        let (server, hello) = self.server().receive_hello(&hello)?;
        client.read::<0>(&hello, HandshakeError::BadHello)?;
        let (key, signature) = proof(&client.signed_by_client());
        let payload = [&key.as_bytes()[..], &signature].concat();
        let auth = client.write(&payload, HandshakeError::BadAuth)?;
        server.receive_auth(&auth)
    }
}

/// The key whose X25519 form is the same.
fn negative(key: PublicKey) -> PublicKey {
    let mut bytes = *key.as_bytes();
    bytes[31] ^= 0x80;
    let negative = PublicKey::from_bytes(bytes);
    assert_eq!(negative.to_x25519(), key.to_x25519());
    negative
}

#[test]
fn a_flipped_bit_in_any_message_is_refused_by_its_receiver() {
    let honest = &transcripts()[0];
    let mut count = 0;
    for (bit, hello) in flipped(honest.hello_client.0) {
        let answer = honest.server().receive_hello(&hello);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadHello, "bit {bit}");
        count += 1;
    }
    for (bit, hello) in flipped(honest.hello_server.0) {
        let answer = honest.client().receive_hello(&hello);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadHello, "bit {bit}");
        count += 1;
    }
    for (bit, auth) in flipped(honest.auth.0) {
        let answer = honest.server_auth().receive_auth(&auth);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadAuth, "bit {bit}");
        count += 1;
    }
    for (bit, accept) in flipped(honest.accept.0) {
        let answer = honest.client_auth().receive_accept(&accept);
        assert_eq!(answer.unwrap_err(), HandshakeError::BadAccept, "bit {bit}");
        count += 1;
    }
    assert_eq!(count, 8 * (HELLO + HELLO + AUTH + ACCEPT));
}

/// Crypto that makes keys of small order, and has nothing against the secrets that they share.
struct Weak([u8; 32]);

struct WeakKey {
    key: Box<dyn Dh>,
    /// Instead of a public key that is made.
    point: [u8; 32],
    is_weak: bool,
}

impl CryptoResolver for Weak {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Resolver::default().resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(WeakKey {
            key: Resolver::default().resolve_dh(choice)?,
            point: self.0,
            is_weak: false,
        }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        Resolver::default().resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        Resolver::default().resolve_cipher(choice)
    }
}

impl Dh for WeakKey {
    fn name(&self) -> &'static str {
        self.key.name()
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        self.key.set(secret);
    }

    fn generate(&mut self, _: &mut dyn Random) -> Result<(), snow::Error> {
        self.is_weak = true;
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        match self.is_weak {
            true => &self.point,
            false => self.key.pubkey(),
        }
    }

    fn privkey(&self) -> &[u8] {
        self.key.privkey()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        match self.is_weak {
            true => Ok(()),
            // Zero is what is there already.
            false => self.key.dh(public, out).or(Ok(())),
        }
    }
}

/// All else about these hellos is right: a peer that minds no zero takes them.
#[test]
fn a_key_of_small_order_is_refused_though_its_tag_is_right() {
    let Pair { alice, bob } = Pair::new();
    let (key, ours, theirs) = (bob.public_key(), alice.x25519_secret(), bob.x25519_secret());
    let usable = key.try_into().unwrap();
    for point in small_order() {
        assert!(crate::crypto::shared(&theirs, &point).is_none());
        let minds = HandshakeError::BadHello;
        let mut weak = State::client(Weak(point), &AppKey::SSB, &ours, &usable);
        let hello = weak.write::<HELLO>(&[], minds).unwrap();
        let answer = Server::new(&AppKey::SSB, &bob).receive_hello(&hello);
        assert_eq!(answer.unwrap_err(), minds);
        let mut careless = State::server(Weak(point), &AppKey::SSB, &theirs, key);
        careless.read::<0>(&hello, minds).unwrap();

        let (client, hello) = Client::new(&AppKey::SSB, &alice, key).unwrap();
        let mut weak = State::server(Weak(point), &AppKey::SSB, &theirs, key);
        weak.read::<0>(&hello, minds).unwrap();
        let hello = weak.write::<HELLO>(&[], minds).unwrap();
        assert_eq!(client.receive_hello(&hello).unwrap_err(), minds);
    }
}

#[test]
fn a_client_proves_the_very_key_that_it_names() {
    let pair = Pair::new();
    let (alice, eve) = (&pair.alice, Identity::generate().unwrap());
    let key = alice.public_key();
    let honest = pair.prove(|signed| (key, alice.sign(signed)));
    assert_eq!(honest.unwrap().client(), key);

    let refused = |result: Result<ServerAccept, _>| {
        assert_eq!(result.unwrap_err(), HandshakeError::BadAuth);
    };
    // The key with the other sign, whose X25519 form is hers too.
    refused(pair.prove(|signed| (negative(key), alice.sign(signed))));
    // Somebody else's key, with and without a signature of that.
    refused(pair.prove(|signed| (eve.public_key(), eve.sign(signed))));
    refused(pair.prove(|signed| (eve.public_key(), alice.sign(signed))));
    // Only the X25519 half of her key is known.
    refused(pair.prove(|signed| (key, eve.sign(signed))));
    refused(pair.prove(|_| (key, [0; 64])));
    // A signature of something else.
    refused(pair.prove(|signed| (key, alice.sign(&signed[32..]))));
    refused(pair.prove(|_| (key, alice.sign(&[0; 64]))));
    // Keys that nobody can hold.
    let mut one = [0; 32];
    one[0] = 1;
    for bytes in [[0; 32], one, [0xff; 32]] {
        refused(pair.prove(|signed| (PublicKey::from_bytes(bytes), alice.sign(signed))));
    }
}

#[test]
fn a_server_answers_to_its_very_key() {
    let pair = Pair::new();
    let to = negative(pair.bob.public_key());
    let (_, hello) = Client::new(&AppKey::SSB, &pair.alice, to).unwrap();
    let answer = pair.server().receive_hello(&hello);
    assert_eq!(answer.unwrap_err(), HandshakeError::BadHello);
}

#[test]
fn a_handshake_never_repeats_a_key() {
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
            *seen.entry((*key.key(), key.nonce())).or_insert(0) += 1;
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

    // Its hello is as good as ever; it shows nothing but that somebody knows the network and the key.
    let (server, other) = pair.server().receive_hello(&hello).unwrap();
    assert_ne!(other, answer);
    let again = server.receive_auth(&auth).unwrap_err();
    assert_eq!(again, HandshakeError::BadAuth);
}

#[test]
fn a_hello_that_comes_back_is_refused() {
    let (client, hello) = Pair::new().client();
    let answer = client.receive_hello(&hello);
    assert_eq!(answer.unwrap_err(), HandshakeError::BadHello);
}

#[test]
fn networks_do_not_hear_each_other() {
    let pair = Pair::new();
    let other = AppKey::from_bytes([1; 32]);
    let (client, hello) = pair.client();
    let answer = Server::new(&other, &pair.bob).receive_hello(&hello);
    assert_eq!(answer.unwrap_err(), HandshakeError::BadHello);

    let (_, hello) = Client::new(&other, &pair.alice, pair.bob.public_key()).unwrap();
    let (_, hello) = Server::new(&other, &pair.bob)
        .receive_hello(&hello)
        .unwrap();
    let answer = client.receive_hello(&hello);
    assert_eq!(answer.unwrap_err(), HandshakeError::BadHello);
}

#[test]
fn a_client_that_dials_another_key_is_refused_at_its_hello() {
    let pair = Pair::new();
    let other = Identity::generate().unwrap().public_key();
    let (_, hello) = Client::new(&AppKey::SSB, &pair.alice, other).unwrap();
    let answer = pair.server().receive_hello(&hello);
    assert_eq!(answer.unwrap_err(), HandshakeError::BadHello);
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
    let server = Server::new(&AppKey::SSB, &bob);
    let (server, hello) = server.receive_hello(&hello).unwrap();
    let (client, auth) = client.receive_hello(&hello).unwrap();
    let server = server.receive_auth(&auth).unwrap();
    assert_eq!(server.client(), bob.public_key());
    client.receive_accept(&server.accept().0).unwrap();
}

#[test]
fn no_step_shows_a_secret() {
    let honest = &transcripts()[0];
    let server = honest.server_auth().receive_auth(&honest.auth.0).unwrap();
    let mut shown = format!(
        "{:?} {:?} {:?} {:?} {server:?}",
        honest.client(),
        honest.client_auth(),
        honest.server(),
        honest.server_auth(),
    );
    let (_, outcome) = server.accept();
    shown += &format!("{outcome:?}");
    assert!(shown.contains("nonce: 1"), "{shown}");
    for key in [outcome.sending.key(), outcome.receiving.key()] {
        assert!(!shown.contains(&format!("{key:?}")), "{shown}");
    }
    assert!(!shown.contains("state") && !shown.contains("proof"));
}

/// What a key or a secret of ours is kept in.
#[test]
fn the_secrets_are_wiped_when_they_are_dropped() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
    let secret: crate::crypto::Secret = Zeroizing::new([1; 32]);
    is_wiped(&secret);
}
