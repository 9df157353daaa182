//! Secret Handshake.

use std::hint::black_box;

use dryoc::classic::{
    crypto_auth::crypto_auth,
    crypto_core::{crypto_scalarmult, crypto_scalarmult_base},
    crypto_hash::crypto_hash_sha256,
    crypto_secretbox::crypto_secretbox_easy,
    crypto_sign_ed25519::crypto_sign_ed25519_pk_to_curve25519,
};
use tower_multiserver::{
    AppKey, Identity,
    shs::{
        box_stream::{BoxKey, Opener, Sealer},
        handshake::{AUTH, Client, HELLO, Server, ServerAuth},
    },
};

use crate::{
    Wrong::{self, FirstByHand, Server as AnotherServer, Signature},
    identity, spoil,
};

pub(crate) fn hello(wrong: Wrong) -> impl FnOnce() -> bool {
    let server = Server::new(&AppKey::SSB, &identity()).expect("random numbers");
    let client = Client::new(&AppKey::SSB, &identity(), identity().public_key());
    let (_, mut hello) = client.expect("a usable key");
    spoil::<32>(hello.first_chunk_mut().expect("64 bytes"), wrong);
    move || server.receive_hello(&hello).is_ok()
}

/// Whether the server would ask next whether this client may come in. To refuse it there it forgets what it has, as for
/// another fault.
pub(crate) fn proof(wrong: Wrong) -> impl FnOnce() -> bool {
    let us = identity();
    let (server, mut auth) = match wrong {
        Signature | FirstByHand => by_hand(&us),
        _ => {
            let key = match wrong {
                AnotherServer => identity().public_key(),
                _ => us.public_key(),
            };
            let server = Server::new(&AppKey::SSB, &us).expect("random numbers");
            let client = Client::new(&AppKey::SSB, &identity(), key);
            let (client, hello) = client.expect("a usable key");
            let (server, hello) = server.receive_hello(&hello).expect("a hello");
            let (_, auth) = client.receive_hello(&hello).expect("a hello");
            (server, auth)
        }
    };
    spoil::<16>(auth.first_chunk_mut().expect("112 bytes"), wrong);
    move || server.receive_auth(&auth).is_ok()
}

/// A client whose proof is sealed as it should be, around the signature of another text.
fn by_hand(server: &Identity) -> (ServerAuth, [u8; AUTH]) {
    let app_key = AppKey::SSB.as_bytes();
    let (client, ours) = (identity(), *identity().seed().as_bytes());
    let mut hello = [0; HELLO];
    let (mac, public) = hello.split_first_chunk_mut::<32>().expect("64 bytes");
    let public: &mut [u8; 32] = public.try_into().expect("32 bytes");
    crypto_scalarmult_base(public, &ours);
    crypto_auth(mac, public, app_key);
    let key = server.public_key();
    let server = Server::new(&AppKey::SSB, server).expect("random numbers");
    let (server, hello) = server.receive_hello(&hello).expect("a hello");
    let theirs = hello.last_chunk().expect("64 bytes");
    let mut curved = [0; 32];
    crypto_sign_ed25519_pk_to_curve25519(&mut curved, key.as_bytes()).expect("a usable key");
    let shared = [theirs, &curved].map(|public| {
        let mut shared = [0; 32];
        crypto_scalarmult(&mut shared, &ours, public).expect("a usable key");
        shared
    });
    let mut sealing = [0; 32];
    crypto_hash_sha256(&mut sealing, &[*app_key, shared[0], shared[1]].concat());
    let proof = [
        &client.sign(b"another text")[..],
        client.public_key().as_bytes(),
    ]
    .concat();
    let mut auth = [0; AUTH];
    crypto_secretbox_easy(&mut auth, &proof, &[0; 24], &sealing).expect("room");
    (server, auth)
}

pub(crate) fn frame(wrong: Wrong) -> impl FnOnce() -> bool {
    let key = || BoxKey::new(&[7; 32], [7; 24]);
    let (mut frame, mut text) = ([0; 34 + 64], [0; 64]);
    Sealer::new(key()).seal(&[7; 64], &mut frame);
    spoil::<16>(frame.first_chunk_mut().expect("a header"), wrong);
    let mut opener = Opener::new(key());
    move || opener.open(black_box(&frame), &mut text).is_ok()
}
