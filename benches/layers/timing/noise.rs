//! The Noise protocol.

use std::hint::black_box;

use snow::{Builder, HandshakeState};
use tower_multiserver::{
    AppKey, Identity, PublicKey,
    noise::{
        handshake::{AUTH, Client, HELLO, PROLOGUE, PROTOCOL, Server, ServerAuth},
        transport::{Opener, Sealer, TransportKey},
    },
};

use crate::{
    Wrong::{self, FirstByHand, Network, Payload, Server as AnotherServer, Signature},
    identity, spoil,
};

pub(crate) fn hello(wrong: Wrong) -> impl FnOnce() -> bool {
    let us = identity();
    let key = match wrong {
        AnotherServer => identity().public_key(),
        _ => us.public_key(),
    };
    let network = match wrong {
        Network => AppKey::from_bytes([7; 32]),
        _ => AppKey::SSB,
    };
    let server = Server::new(&AppKey::SSB, &us);
    let client = Client::new(&network, &identity(), key);
    let (_, mut hello) = client.expect("a usable key");
    spoil::<16>(hello.last_chunk_mut().expect("a tag"), wrong);
    move || server.receive_hello(&hello).is_ok()
}

/// Whether the server would ask next whether this client may come in.
pub(crate) fn proof(wrong: Wrong) -> impl FnOnce() -> bool {
    let us = identity();
    let (server, mut auth) = match wrong {
        Signature | FirstByHand => by_hand(&us),
        _ => {
            let client = Client::new(&AppKey::SSB, &identity(), us.public_key());
            let (client, hello) = client.expect("a usable key");
            let server = Server::new(&AppKey::SSB, &us).receive_hello(&hello);
            let (server, hello) = server.expect("a hello");
            let (_, auth) = client.receive_hello(&hello).expect("a hello");
            (server, auth)
        }
    };
    let tag = match wrong {
        Payload => auth.last_chunk_mut(),
        // That of the key.
        _ => auth[32..].first_chunk_mut(),
    };
    spoil::<16>(tag.expect("160 bytes"), wrong);
    move || server.receive_auth(&auth).is_ok()
}

/// A client whose proof is sealed as it should be, around the signature of another text.
fn by_hand(us: &Identity) -> (ServerAuth, [u8; AUTH]) {
    let client = identity();
    let mut noise = initiator(&client, us.public_key());
    let mut hello = [0; HELLO];
    noise.write_message(&[], &mut hello).expect("a hello");
    let server = Server::new(&AppKey::SSB, us).receive_hello(&hello);
    let (server, hello) = server.expect("a hello");
    noise.read_message(&hello, &mut []).expect("a hello");
    let (key, signature) = (client.public_key(), client.sign(b"another text"));
    let proof = [&key.as_bytes()[..], &signature].concat();
    let mut auth = [0; AUTH];
    let written = noise.write_message(&proof, &mut auth);
    assert_eq!(written.expect("a proof"), AUTH);
    (server, auth)
}

fn initiator(client: &Identity, server: PublicKey) -> HandshakeState {
    let prologue = [&PROLOGUE[..], server.as_bytes()].concat();
    let key = server.to_x25519().expect("a usable key");
    let build = || {
        Builder::new(PROTOCOL.parse()?)
            .local_private_key(&*client.x25519_secret())?
            .psk(0, AppKey::SSB.as_bytes())?
            .prologue(&prologue)?
            .remote_public_key(&key)?
            .build_initiator()
    };
    build().expect("all that the pattern needs")
}

pub(crate) fn frame(wrong: Wrong) -> impl FnOnce() -> bool {
    let (mut frame, mut text) = ([0; 18 + 64], [0; 64]);
    Sealer::new(TransportKey::new(&[7; 32])).seal(&[7; 64], &mut frame);
    // The tag is at the end.
    spoil::<16>(frame.last_chunk_mut().expect("a tag"), wrong);
    let mut opener = Opener::new(TransportKey::new(&[7; 32]));
    move || opener.open(black_box(&frame), &mut text).is_ok()
}
