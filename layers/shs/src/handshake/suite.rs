//! The public suite test-secret-handshake: recorded calls of the steps in JavaScript, with what they knew and gave back.

use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tower_multiserver_core::{Identity, PublicKey};

use crate::secretbox;

use super::{
    secrets::Secrets,
    vectors::{Hex, app_key, ephemeral, identity},
    *,
};

const CALLS: &str = include_str!("../../tests/vectors/test-secret-handshake.data.json");

#[derive(Deserialize)]
struct Call {
    name: String,
    args: Vec<serde_json::Value>,
    result: Option<serde_json::Value>,
}

/// What the JavaScript functions know.
#[derive(Deserialize)]
struct State {
    app_key: Hex<32>,
    local: Local,
    remote: Remote,
    seed: Option<Hex<32>>,
    random: Hex<32>,
    shash: Option<Hex<32>>,
    secret2: Option<Hex<32>>,
    secret3: Option<Hex<32>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Local {
    #[serde(rename = "app_mac")]
    app_mac: Hex<32>,
    #[serde(rename = "kx_pk")]
    kx_pk: Hex<32>,
    public_key: Hex<32>,
    secret_key: Hex<64>,
    hello: Option<Hex<96>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Remote {
    #[serde(rename = "app_mac")]
    app_mac: Option<Hex<32>>,
    #[serde(rename = "kx_pk")]
    kx_pk: Option<Hex<32>>,
    public_key: Option<Hex<32>>,
    hello: Option<Hex<96>>,
}

#[test]
fn every_step_of_the_public_suite_comes_out_alike() {
    let calls: Vec<Call> = serde_json::from_str(CALLS).unwrap();
    assert_eq!(calls.len(), 159);
    let mut checked = 0;
    for (at, call) in calls.iter().enumerate() {
        match call.name.as_str() {
            // Its arguments were recorded when it had wiped them already.
            "clean" => continue,
            "initialize" | "createChallenge" => initializes(call),
            "verifyChallenge" => takes_a_hello(call),
            "clientVerifyChallenge" => makes_a_proof(call),
            "clientCreateAuth" => seals_a_proof(call),
            "serverVerifyAuth" => takes_a_proof(call),
            "serverCreateAccept" => accepts(call),
            "clientVerifyAccept" => is_accepted(call),
            "toKeys" => makes_keys(call),
            name => panic!("row {at}: {name}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 147);
    println!("measured shs\tsteps of test-secret-handshake\t{checked}");
}

impl Call {
    fn arg<T: DeserializeOwned>(&self, at: usize) -> T {
        serde_json::from_value(self.args[at].clone()).unwrap()
    }

    fn result<T: DeserializeOwned>(&self) -> Option<T> {
        let result = self.result.clone()?;
        Some(serde_json::from_value(result).unwrap())
    }
}

impl State {
    fn identity(&self) -> Identity {
        let identity = Identity::from_keypair_bytes(&self.local.secret_key.0).unwrap();
        assert_eq!(identity.public_key().as_bytes(), &self.local.public_key.0);
        if let Some(seed) = self.seed {
            assert_eq!(identity.seed().as_bytes(), &seed.0);
        }
        identity
    }

    fn secrets(&self) -> Box<Secrets> {
        Secrets::new(&app_key(self.app_key), &ephemeral(self.random))
    }

    fn hello(&self) -> [u8; HELLO] {
        joined(self.local.app_mac, self.local.kx_pk)
    }

    fn client(&self) -> Client {
        let server = PublicKey::from_bytes(self.remote.public_key.unwrap().0);
        let (client, hello) =
            Client::with_secrets(self.secrets(), &self.identity(), server.try_into().unwrap())
                .unwrap();
        assert_eq!(hello, self.hello());
        client
    }

    fn peer_hello(&self) -> [u8; HELLO] {
        joined(self.remote.app_mac.unwrap(), self.remote.kx_pk.unwrap())
    }

    fn server_auth(&self) -> ServerAuth {
        let server = Server::with_secrets(self.secrets(), &self.identity());
        server.receive_hello(&self.peer_hello()).unwrap().0
    }
}

fn joined(a: Hex<32>, b: Hex<32>) -> [u8; HELLO] {
    [a.0, b.0].concat().try_into().unwrap()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

fn initializes(call: &Call) {
    let state: State = call.arg(0);
    let hello = state.secrets().hello();
    assert_eq!(hello, state.hello());
    if call.name == "createChallenge" {
        assert_eq!(call.result(), Some(Hex(hello)));
    }
}

fn takes_a_hello(call: &Call) {
    let state: State = call.arg(0);
    let mut secrets = state.secrets();
    let taken = secrets.receive_hello(&call.arg::<Hex<HELLO>>(1).0);
    match call.result::<State>() {
        None => assert_eq!(taken, Err(HandshakeError::BadHello)),
        Some(result) => {
            taken.unwrap();
            // The end of what a client signs is the hash of the shared secret.
            let signed = secrets.signed_by_client(PublicKey::from_bytes([0; 32]));
            assert_eq!(signed[64..], result.shash.unwrap().0);
        }
    }
}

fn makes_a_proof(call: &Call) {
    let state: State = call.arg(0);
    let made = state.client().receive_hello(&call.arg::<Hex<HELLO>>(1).0);
    match call.result::<State>() {
        None => assert_eq!(made.unwrap_err(), HandshakeError::BadHello),
        Some(result) => {
            let (_, auth) = made.unwrap();
            let (tag, sealed) = auth.split_first_chunk().unwrap();
            let (key, mut proof) = (result.secret2.unwrap().0, [0; 96]);
            assert!(secretbox::open(&key, &[0; 24], tag, sealed, &mut proof));
            assert_eq!(proof, result.local.hello.unwrap().0);
        }
    }
}

fn seals_a_proof(call: &Call) {
    let state: State = call.arg(0);
    let (_, auth) = state.client().receive_hello(&state.peer_hello()).unwrap();
    assert_eq!(call.result(), Some(Hex(auth)));
}

fn takes_a_proof(call: &Call) {
    let state: State = call.arg(0);
    let taken = state
        .server_auth()
        .receive_auth(&call.arg::<Hex<AUTH>>(1).0);
    match call.result::<State>() {
        None => assert_eq!(taken.unwrap_err(), HandshakeError::BadAuth),
        Some(result) => {
            let client = result.remote.public_key.unwrap().0;
            assert_eq!(client, result.remote.hello.unwrap().0[64..]);
            let taken = taken.unwrap();
            assert_eq!(taken.client().as_bytes(), &client);
            let secret = sha256(&[&result.secret3.unwrap().0]);
            let (_, outcome) = taken.accept();
            assert_eq!(*outcome.sending.key(), sha256(&[&secret, &client]));
            let us = state.local.public_key.0;
            assert_eq!(*outcome.receiving.key(), sha256(&[&secret, &us]));
        }
    }
}

fn accepts(call: &Call) {
    let state: State = call.arg(0);
    // The client's part is not in the row, so its proof is sealed again as the client does.
    let proof = state.remote.hello.unwrap().0;
    let mut auth = [0; AUTH];
    let (tag, sealed) = auth.split_at_mut(16);
    let key = state.secret2.unwrap().0;
    tag.copy_from_slice(&secretbox::seal(&key, &[0; 24], &proof, sealed));
    let (accept, _) = state.server_auth().receive_auth(&auth).unwrap().accept();
    assert_eq!(call.result(), Some(Hex(accept)));
}

fn is_accepted(call: &Call) {
    let state: State = call.arg(0);
    let (client, _) = state.client().receive_hello(&state.peer_hello()).unwrap();
    let outcome = client
        .receive_accept(&call.arg::<Hex<ACCEPT>>(1).0)
        .unwrap();
    let secret = sha256(&[&call.result::<State>().unwrap().secret3.unwrap().0]);
    assert_eq!(
        *outcome.sending.key(),
        sha256(&[&secret, outcome.peer.as_bytes()])
    );
}

fn makes_keys(call: &Call) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Keys {
        public_key: Hex<32>,
        secret_key: Hex<64>,
    }
    // The argument is a seed, or keys that come back as they are.
    let identity = match call.args[0].is_string() {
        true => identity(call.arg(0)),
        false => Identity::from_keypair_bytes(&call.arg::<Keys>(0).secret_key.0).unwrap(),
    };
    let keys: Keys = call.result().unwrap();
    assert_eq!(identity.public_key().as_bytes(), &keys.public_key.0);
    assert_eq!(*identity.to_keypair_bytes(), keys.secret_key.0);
}
