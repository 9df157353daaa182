//! The handshakes of `tests/vectors`.

use serde::Deserialize;
use sha2::{Digest, Sha512};
use tower_multiserver_core::{AppKey, Identity, PublicKey, Seed};

use crate::secretbox;

use super::{secrets::Secrets, *};

const OWN: &str = include_str!("../../tests/vectors/shs1-own.json");
const TRANSCRIPTS: &str = include_str!("../../tests/vectors/shs-own-transcripts.json");

/// Bytes that are written in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).unwrap();
        Ok(Self(bytes.try_into().unwrap()))
    }
}

#[derive(Deserialize)]
pub(super) struct Own {
    pub(super) honest: Honest,
    msg1_bad: Vec<Message1>,
    msg1_msg3_forged: Vec<Forged>,
    msg2_bad: Vec<Message2>,
    msg3: Vec<Message3>,
    msg4: Vec<Message4>,
}

#[derive(Deserialize)]
pub(super) struct Honest {
    app_key: Hex<32>,
    client_seed: Hex<32>,
    server_seed: Hex<32>,
    client_pk: Hex<32>,
    server_pk: Hex<32>,
    client_eph_sk: Hex<32>,
    server_eph_sk: Hex<32>,
    pub(super) msg1: Hex<HELLO>,
    pub(super) msg2: Hex<HELLO>,
    pub(super) msg3: Hex<AUTH>,
    pub(super) msg4: Hex<ACCEPT>,
    client_encrypt_key: Hex<32>,
    client_encrypt_nonce: Hex<24>,
    client_decrypt_key: Hex<32>,
    client_decrypt_nonce: Hex<24>,
}

#[derive(Deserialize)]
struct Message1 {
    name: String,
    msg1: Hex<HELLO>,
}

#[derive(Deserialize)]
struct Forged {
    name: String,
    msg1: Hex<HELLO>,
    msg3: Hex<AUTH>,
}

#[derive(Deserialize)]
struct Message2 {
    name: String,
    msg2: Hex<HELLO>,
}

#[derive(Deserialize)]
struct Message3 {
    name: String,
    msg3: Hex<AUTH>,
    expect: String,
}

#[derive(Deserialize)]
struct Message4 {
    name: String,
    msg4: Hex<ACCEPT>,
    expect: String,
}

#[derive(Deserialize)]
struct Transcripts {
    handshakes: Vec<Transcript>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transcript {
    name: String,
    app_key: Hex<32>,
    client_seed: Hex<32>,
    client_public_key: Hex<32>,
    server_seed: Hex<32>,
    server_public_key: Hex<32>,
    client_random: Hex<32>,
    client_ephemeral_sk: Hex<32>,
    server_random: Hex<32>,
    server_ephemeral_sk: Hex<32>,
    msg1: Hex<HELLO>,
    msg2: Hex<HELLO>,
    msg3: Hex<AUTH>,
    msg4: Hex<ACCEPT>,
    client_encrypt_key: Hex<32>,
    client_encrypt_nonce: Hex<24>,
    client_decrypt_key: Hex<32>,
    client_decrypt_nonce: Hex<24>,
}

pub(super) fn own() -> Own {
    serde_json::from_str(OWN).unwrap()
}

pub(super) fn app_key(key: Hex<32>) -> AppKey {
    AppKey::from_bytes(key.0)
}

pub(super) fn identity(seed: Hex<32>) -> Identity {
    Identity::from_seed(&Seed::from_bytes(seed.0))
}

/// The X25519 secret that JavaScript makes of random bytes: that of an Ed25519 key pair. It is clamped where it is used.
pub(super) fn ephemeral(random: Hex<32>) -> [u8; 32] {
    *Sha512::digest(random.0).first_chunk().unwrap()
}

impl Honest {
    pub(super) fn server_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.server_pk.0)
    }

    /// What the client knows before the server's hello.
    pub(super) fn client_secrets(&self) -> Box<Secrets> {
        let mut secrets = Secrets::new(&app_key(self.app_key), &self.client_eph_sk.0);
        let server = self.server_key().to_x25519().unwrap();
        secrets.with_server(&server).unwrap();
        secrets
    }

    pub(super) fn client(&self) -> Client {
        let secrets = Secrets::new(&app_key(self.app_key), &self.client_eph_sk.0);
        let server = self.server_key().try_into().unwrap();
        let (client, hello) =
            Client::with_secrets(secrets, &identity(self.client_seed), server).unwrap();
        assert_eq!(hello, self.msg1.0);
        client
    }

    pub(super) fn client_auth(&self) -> ClientAuth {
        let (client, auth) = self.client().receive_hello(&self.msg2.0).unwrap();
        assert_eq!(auth, self.msg3.0);
        client
    }

    pub(super) fn server(&self) -> Server {
        let secrets = Secrets::new(&app_key(self.app_key), &self.server_eph_sk.0);
        Server::with_secrets(secrets, &identity(self.server_seed))
    }

    /// One that has taken a hello of small order, as ours never does: what it shares with the client is zero.
    fn careless_server_auth(&self) -> ServerAuth {
        ServerAuth {
            secrets: Secrets::new(&app_key(self.app_key), &self.server_eph_sk.0),
            identity: identity(self.server_seed),
        }
    }

    pub(super) fn server_auth(&self) -> ServerAuth {
        let (server, hello) = self.server().receive_hello(&self.msg1.0).unwrap();
        assert_eq!(hello, self.msg2.0);
        server
    }
}

#[test]
fn the_honest_handshake_is_reproduced_byte_for_byte() {
    let honest = own().honest;
    let client = honest.client_auth().receive_accept(&honest.msg4.0).unwrap();
    let server = honest.server_auth().receive_auth(&honest.msg3.0).unwrap();
    assert_eq!(server.client().as_bytes(), &honest.client_pk.0);
    let (accept, server) = server.accept();
    assert_eq!(accept, honest.msg4.0);
    assert_eq!(client.peer.as_bytes(), &honest.server_pk.0);
    for (key, expected, nonce) in [
        (
            &client.sending,
            honest.client_encrypt_key,
            honest.client_encrypt_nonce,
        ),
        (
            &server.receiving,
            honest.client_encrypt_key,
            honest.client_encrypt_nonce,
        ),
        (
            &client.receiving,
            honest.client_decrypt_key,
            honest.client_decrypt_nonce,
        ),
        (
            &server.sending,
            honest.client_decrypt_key,
            honest.client_decrypt_nonce,
        ),
    ] {
        assert_eq!((key.key(), key.nonce()), (&expected.0, &nonce.0));
    }
}

#[test]
fn bad_hellos_of_clients_get_no_answer() {
    let own = own();
    assert_eq!(own.msg1_bad.len(), 19);
    for bad in own.msg1_bad {
        let answer = own.honest.server().receive_hello(&bad.msg1.0);
        assert_eq!(
            answer.unwrap_err(),
            HandshakeError::BadHello,
            "{}",
            bad.name
        );
    }
}

#[test]
fn bad_hellos_of_servers_get_no_proof() {
    let own = own();
    assert_eq!(own.msg2_bad.len(), 15);
    for bad in own.msg2_bad {
        let answer = own.honest.client().receive_hello(&bad.msg2.0);
        assert_eq!(
            answer.unwrap_err(),
            HandshakeError::BadHello,
            "{}",
            bad.name
        );
    }
}

#[test]
fn a_client_that_does_not_know_the_server_is_refused_at_its_hello_and_again_at_its_proof() {
    let own = own();
    assert_eq!(own.msg1_msg3_forged.len(), 7);
    for forged in own.msg1_msg3_forged {
        let answer = own.honest.server().receive_hello(&forged.msg1.0);
        assert_eq!(
            answer.unwrap_err(),
            HandshakeError::BadHello,
            "{}",
            forged.name
        );
        let server = own.honest.careless_server_auth();
        let (tag, sealed) = forged.msg3.0.split_first_chunk().unwrap();
        let is_opened = secretbox::open(
            &server.secrets.auth_key(),
            &[0; 24],
            tag,
            sealed,
            &mut [0; 96],
        );
        assert!(is_opened, "its box is right: {}", forged.name);
        let answer = server.receive_auth(&forged.msg3.0);
        assert_eq!(
            answer.unwrap_err(),
            HandshakeError::BadAuth,
            "{}",
            forged.name
        );
    }
}

#[test]
fn only_the_honest_proof_of_a_client_is_taken() {
    let own = own();
    assert_eq!(own.msg3.len(), 18);
    for one in own.msg3 {
        let answer = own.honest.server_auth().receive_auth(&one.msg3.0);
        match one.expect.as_str() {
            "accept" => drop(answer.unwrap()),
            _ => assert_eq!(answer.unwrap_err(), HandshakeError::BadAuth, "{}", one.name),
        }
    }
}

#[test]
fn only_the_honest_proof_of_a_server_is_taken() {
    let own = own();
    assert_eq!(own.msg4.len(), 5);
    for one in own.msg4 {
        let answer = own.honest.client_auth().receive_accept(&one.msg4.0);
        match one.expect.as_str() {
            "accept" => drop(answer.unwrap()),
            _ => assert_eq!(
                answer.unwrap_err(),
                HandshakeError::BadAccept,
                "{}",
                one.name
            ),
        }
    }
}

#[test]
fn the_handshakes_of_javascript_are_reproduced_byte_for_byte() {
    let transcripts: Transcripts = serde_json::from_str(TRANSCRIPTS).unwrap();
    assert_eq!(transcripts.handshakes.len(), 5);
    for one in transcripts.handshakes {
        let (alice, bob) = (identity(one.client_seed), identity(one.server_seed));
        assert_eq!(alice.public_key().as_bytes(), &one.client_public_key.0);
        assert_eq!(bob.public_key().as_bytes(), &one.server_public_key.0);
        let clamped = curve25519_dalek::scalar::clamp_integer;
        assert_eq!(
            clamped(ephemeral(one.client_random)),
            one.client_ephemeral_sk.0
        );
        assert_eq!(
            clamped(ephemeral(one.server_random)),
            one.server_ephemeral_sk.0
        );

        let app_key = app_key(one.app_key);
        let secrets = Secrets::new(&app_key, &ephemeral(one.client_random));
        let server = bob.public_key().try_into().unwrap();
        let (client, hello) = Client::with_secrets(secrets, &alice, server).unwrap();
        assert_eq!(hello, one.msg1.0, "{}", one.name);
        let secrets = Secrets::new(&app_key, &ephemeral(one.server_random));
        let server = Server::with_secrets(secrets, &bob);
        let (server, hello) = server.receive_hello(&hello).unwrap();
        assert_eq!(hello, one.msg2.0, "{}", one.name);
        let (client, auth) = client.receive_hello(&hello).unwrap();
        assert_eq!(auth, one.msg3.0, "{}", one.name);
        let (accept, server) = server.receive_auth(&auth).unwrap().accept();
        assert_eq!(accept, one.msg4.0, "{}", one.name);
        let client = client.receive_accept(&accept).unwrap();
        assert_eq!(client.sending.key(), &one.client_encrypt_key.0);
        assert_eq!(client.sending.nonce(), &one.client_encrypt_nonce.0);
        assert_eq!(client.receiving.key(), &one.client_decrypt_key.0);
        assert_eq!(client.receiving.nonce(), &one.client_decrypt_nonce.0);
        assert_eq!(server.sending.key(), client.receiving.key());
        assert_eq!(server.receiving.key(), client.sending.key());
    }
}
