//! The connections of `tests/vectors/noise-own.json`, which another implementation has computed.

use serde::Deserialize;
use tower_multiserver_core::{AppKey, Identity, PublicKey, Seed};

use crate::{
    resolver::Resolver,
    transport::{Opener, REKEY_AFTER, Sealer, TransportKey},
};

use super::*;

/// Bytes that are written in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).unwrap();
        Ok(Self(bytes.try_into().unwrap()))
    }
}

#[derive(Deserialize)]
pub(crate) struct Transcript {
    app_key: Hex<32>,
    client_seed: Hex<32>,
    server_seed: Hex<32>,
    client_ephemeral: Hex<32>,
    server_ephemeral: Hex<32>,
    client_key: Hex<32>,
    server_key: Hex<32>,
    client_static: Hex<32>,
    server_static: Hex<32>,
    hash: Hex<32>,
    proof: Hex<96>,
    pub(crate) hello_client: Hex<HELLO>,
    pub(crate) hello_server: Hex<HELLO>,
    pub(crate) auth: Hex<AUTH>,
    pub(crate) accept: Hex<ACCEPT>,
    pub(crate) client: Direction,
    pub(crate) server: Direction,
}

#[derive(Deserialize)]
pub(crate) struct Direction {
    pub(crate) key: Hex<32>,
    pub(crate) frames: Vec<Frame>,
    goodbye: String,
    rekeys: Vec<Rekey>,
}

#[derive(Deserialize)]
pub(crate) struct Frame {
    text: String,
    frame: String,
}

/// The frames from `nonce` on, around a replacement of the key.
#[derive(Deserialize)]
struct Rekey {
    nonce: u64,
    key: Hex<32>,
    frames: Vec<Frame>,
    next_key: Hex<32>,
}

pub(crate) fn transcripts() -> Vec<Transcript> {
    serde_json::from_str(include_str!("../../tests/vectors/noise-own.json")).unwrap()
}

fn identity(seed: Hex<32>) -> Identity {
    Identity::from_seed(&Seed::from_bytes(seed.0))
}

impl Transcript {
    fn app_key(&self) -> AppKey {
        AppKey::from_bytes(self.app_key.0)
    }

    pub(crate) fn server_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.server_key.0)
    }

    pub(crate) fn client(&self) -> Client {
        let (client, hello) = Client::with_resolver(
            Resolver::fixed(self.client_ephemeral.0),
            &self.app_key(),
            &identity(self.client_seed),
            self.server_key().try_into().unwrap(),
        )
        .unwrap();
        assert_eq!(hello, self.hello_client.0);
        client
    }

    pub(crate) fn client_auth(&self) -> ClientAuth {
        let (client, auth) = self.client().receive_hello(&self.hello_server.0).unwrap();
        assert_eq!(auth, self.auth.0);
        client
    }

    pub(crate) fn server(&self) -> Server {
        Server::with_resolver(
            Resolver::fixed(self.server_ephemeral.0),
            &self.app_key(),
            &identity(self.server_seed),
        )
    }

    pub(crate) fn server_auth(&self) -> ServerAuth {
        let (server, hello) = self.server().receive_hello(&self.hello_client.0).unwrap();
        assert_eq!(hello, self.hello_server.0);
        server
    }
}

impl Direction {
    /// What is said in frames of `texts` each, and the goodbye.
    fn check(&self, sending: TransportKey, receiving: TransportKey, earlier: u64) {
        assert_eq!((sending.key(), sending.nonce()), (&self.key.0, earlier));
        let mut sealer = Sealer::new(sending);
        let mut stream = Vec::new();
        for frame in &self.frames {
            frame.check(&mut sealer);
            stream.extend(hex::decode(&frame.frame).unwrap());
        }
        assert_eq!(hex::encode(sealer.goodbye()), self.goodbye);
        stream.extend(hex::decode(&self.goodbye).unwrap());

        let mut opener = Opener::new(receiving);
        let mut text = vec![0; stream.len()];
        let opened = opener.open(&stream, &mut text).unwrap();
        let said: String = self.frames.iter().map(|frame| &*frame.text).collect();
        assert_eq!(hex::encode(&text[..opened.written]), said);
        assert_eq!((opened.read, opener.end()), (stream.len(), Ok(())));

        for (i, rekey) in (1..).zip(&self.rekeys) {
            assert_eq!(rekey.nonce, i * REKEY_AFTER - 1);
            let mut sealer = Sealer::new(TransportKey::new(&rekey.key.0).at(rekey.nonce));
            for frame in &rekey.frames {
                frame.check(&mut sealer);
            }
            assert_eq!(sealer.key().key(), &rekey.next_key.0);
        }
        let keys: Vec<_> = self.rekeys.iter().map(|rekey| rekey.key).collect();
        assert_eq!(keys, [self.key, self.rekeys[0].next_key]);
    }
}

impl Frame {
    fn check(&self, sealer: &mut Sealer) {
        let text = hex::decode(&self.text).unwrap();
        let mut frame = vec![0; text.len() + crate::transport::OVERHEAD];
        sealer.seal(&text, &mut frame);
        assert_eq!(hex::encode(frame), self.frame);
    }
}

#[test]
fn whole_connections_are_those_of_another_implementation() {
    let transcripts = transcripts();
    assert_eq!(transcripts.len(), 3);
    for all in &transcripts {
        for (seed, key, curved) in [
            (all.client_seed, all.client_key, all.client_static),
            (all.server_seed, all.server_key, all.server_static),
        ] {
            let public = identity(seed).public_key();
            assert_eq!(public.as_bytes(), &key.0);
            assert_eq!(public.to_x25519(), Some(curved.0));
        }
        let (key, signature) = all.proof.0.split_first_chunk().unwrap();
        assert_eq!(key, &all.client_key.0);
        let signed = [&SIGNED[..], &all.hash.0].concat();
        let client = PublicKey::from_bytes(*key);
        assert!(client.verify(&signed, signature.try_into().unwrap()));

        let server = all.server_auth().receive_auth(&all.auth.0).unwrap();
        assert_eq!(server.client(), client);
        let (accept, server) = server.accept();
        assert_eq!(accept, all.accept.0);
        let client = all.client_auth().receive_accept(&accept).unwrap();
        assert_eq!((client.peer, server.peer), (all.server_key(), server.peer));
        all.client.check(client.sending, server.receiving, 0);
        // Its consent was the first message of the server.
        all.server.check(server.sending, client.receiving, 1);
    }
}
