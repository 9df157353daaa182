//! The public vectors of our suite of algorithms: that the crypto we give to `snow` is Noise's, in each pattern, with
//! and without shared keys.

use serde::Deserialize;
use snow::{Builder, HandshakeState};

use crate::resolver::Resolver;

#[derive(Deserialize)]
struct Suite {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    protocol_name: String,
    init_prologue: String,
    #[serde(default)]
    init_psks: Vec<String>,
    init_ephemeral: Option<String>,
    init_static: Option<String>,
    init_remote_static: Option<String>,
    resp_prologue: String,
    #[serde(default)]
    resp_psks: Vec<String>,
    resp_ephemeral: Option<String>,
    resp_static: Option<String>,
    resp_remote_static: Option<String>,
    handshake_hash: Option<String>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    payload: String,
    ciphertext: String,
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// Where the shared keys of a pattern such as `XKpsk0+psk3` go.
fn psk_places(protocol: &str) -> Vec<u8> {
    let pattern = protocol.split('_').nth(1).unwrap();
    let places = pattern.split("psk").skip(1);
    places
        .map(|place| place.trim_end_matches('+').parse().unwrap())
        .collect()
}

impl Vector {
    fn side(&self, is_initiator: bool) -> HandshakeState {
        let [ephemeral, own, remote] = match is_initiator {
            true => [
                &self.init_ephemeral,
                &self.init_static,
                &self.init_remote_static,
            ],
            false => [
                &self.resp_ephemeral,
                &self.resp_static,
                &self.resp_remote_static,
            ],
        }
        .map(|key| key.as_deref().map(bytes));
        let (prologue, psks) = match is_initiator {
            true => (&self.init_prologue, &self.init_psks),
            false => (&self.resp_prologue, &self.resp_psks),
        };
        let prologue = bytes(prologue);
        let psks: Vec<[u8; 32]> = psks
            .iter()
            .map(|key| bytes(key).try_into().unwrap())
            .collect();
        let random = ephemeral.map_or([0; 32], |key| key.try_into().unwrap());
        let resolver = Box::new(Resolver::fixed(random));
        let mut builder = Builder::with_resolver(self.protocol_name.parse().unwrap(), resolver)
            .prologue(&prologue)
            .unwrap();
        if let Some(key) = &own {
            builder = builder.local_private_key(key).unwrap();
        }
        if let Some(key) = &remote {
            builder = builder.remote_public_key(key).unwrap();
        }
        let places = psk_places(&self.protocol_name);
        assert_eq!(places.len(), psks.len());
        for (place, key) in places.into_iter().zip(&psks) {
            builder = builder.psk(place, key).unwrap();
        }
        match is_initiator {
            true => builder.build_initiator().unwrap(),
            false => builder.build_responder().unwrap(),
        }
    }

    fn check(&self) {
        let (mut initiator, mut responder) = (self.side(true), self.side(false));
        let mut messages = self.messages.iter();
        let mut is_forth = true;
        let (mut out, mut text) = ([0; 1000], [0; 1000]);
        while !initiator.is_handshake_finished() {
            let message = messages.next().unwrap();
            let (from, to) = match is_forth {
                true => (&mut initiator, &mut responder),
                false => (&mut responder, &mut initiator),
            };
            let length = from
                .write_message(&bytes(&message.payload), &mut out)
                .unwrap();
            assert_eq!(hex::encode(&out[..length]), message.ciphertext);
            let length = to.read_message(&out[..length], &mut text).unwrap();
            assert_eq!(hex::encode(&text[..length]), message.payload);
            is_forth = !is_forth;
        }
        if let Some(hash) = &self.handshake_hash {
            assert_eq!(&hex::encode(initiator.get_handshake_hash()), hash);
            assert_eq!(&hex::encode(responder.get_handshake_hash()), hash);
        }
        let is_one_way =
            self.protocol_name.split('_').nth(1).is_some_and(|pattern| {
                matches!(pattern.split("psk").next(), Some("N" | "K" | "X"))
            });
        let mut initiator = initiator.into_transport_mode().unwrap();
        let mut responder = responder.into_transport_mode().unwrap();
        for message in messages {
            let (from, to) = match is_forth || is_one_way {
                true => (&mut initiator, &mut responder),
                false => (&mut responder, &mut initiator),
            };
            let length = from
                .write_message(&bytes(&message.payload), &mut out)
                .unwrap();
            assert_eq!(hex::encode(&out[..length]), message.ciphertext);
            let length = to.read_message(&out[..length], &mut text).unwrap();
            assert_eq!(hex::encode(&text[..length]), message.payload);
            is_forth = !is_forth;
        }
    }
}

fn check(name: &str, suite: &str) -> usize {
    let suite: Suite = serde_json::from_str(suite).unwrap();
    for vector in &suite.vectors {
        vector.check();
    }
    let count = suite.vectors.len();
    println!("measured noise\tvectors of {name}\t{count}");
    count
}

#[test]
fn every_pattern_of_cacophony_comes_out_alike() {
    let suite = include_str!("../../tests/vectors/cacophony.json");
    assert_eq!(check("cacophony", suite), 59);
}

#[test]
fn every_pattern_of_snow_comes_out_alike() {
    let suite = include_str!("../../tests/vectors/snow.json");
    assert_eq!(check("snow", suite), 51);
}
