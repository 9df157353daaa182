//! What `instructions.rs` counts.

mod dials;

use std::{
    pin::Pin,
    task::{Context, Waker},
};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf, duplex};
use tower_multiserver::{
    AppKey, Seed,
    noise::transport,
    shs::{
        box_stream::{BODY_MAX, BoxKey, HEADER},
        handshake::{Client, Server},
    },
};

pub use dials::{Dials, by_hand, dial, through_middlewares};
pub use tokio::io::DuplexStream;
pub use tower_multiserver::{
    BoxIo, Identity,
    noise::transport::{Opener as NoiseOpener, Sealer as NoiseSealer},
    shs::box_stream::{Opener, Sealer},
};

const KEY: [u8; 32] = [1; 32];

/// A text of that length and room for its frames.
pub struct Frames<S, O> {
    sealer: S,
    opener: O,
    text: Vec<u8>,
    sealed: Vec<u8>,
}

/// Frames of the box stream, sealed already.
pub fn shs_frames(length: usize) -> Frames<Sealer, Opener> {
    let key = || BoxKey::new(&KEY, [2; 24]);
    let mut sealed = vec![0; length + length.div_ceil(BODY_MAX) * HEADER];
    Sealer::new(key()).seal(&vec![7; length], &mut sealed);
    Frames {
        sealer: Sealer::new(key()),
        opener: Opener::new(key()),
        text: vec![7; length],
        sealed,
    }
}

/// Seals them.
pub fn seal_shs(mut frames: Frames<Sealer, Opener>) -> usize {
    frames.sealer.seal(&frames.text, &mut frames.sealed).written
}

/// Opens them.
pub fn open_shs(mut frames: Frames<Sealer, Opener>) -> usize {
    let opened = frames.opener.open(&frames.sealed, &mut frames.text);
    opened.expect("sealed with the same key").written
}

/// A frame of noise, sealed already.
pub fn noise_frames(length: usize) -> Frames<NoiseSealer, NoiseOpener> {
    let key = || transport::TransportKey::new(&KEY);
    let mut sealed = vec![0; length + transport::OVERHEAD];
    NoiseSealer::new(key()).seal(&vec![7; length], &mut sealed);
    Frames {
        sealer: NoiseSealer::new(key()),
        opener: NoiseOpener::new(key()),
        text: vec![7; length],
        sealed,
    }
}

/// Seals it.
pub fn seal_noise(mut frames: Frames<NoiseSealer, NoiseOpener>) -> usize {
    frames.sealer.seal(&frames.text, &mut frames.sealed).written
}

/// Opens it.
pub fn open_noise(mut frames: Frames<NoiseSealer, NoiseOpener>) -> usize {
    let opened = frames.opener.open(&frames.sealed, &mut frames.text);
    opened.expect("sealed with the same key").written
}

/// The identities of a client and a server.
pub fn identities() -> (Identity, Identity) {
    let of = |byte| Identity::from_seed(&Seed::from_bytes([byte; 32]));
    (of(1), of(2))
}

/// Both sides of Secret Handshake.
pub fn shake_hands((alice, bob): (Identity, Identity)) -> bool {
    let key = AppKey::SSB;
    let (client, hello) = Client::new(&key, &alice, bob.public_key()).expect("a good key");
    let server = Server::new(&key, &bob).expect("random numbers");
    let (server, hello) = server.receive_hello(&hello).expect("a hello");
    let (client, auth) = client.receive_hello(&hello).expect("a hello");
    let (accept, _) = server.receive_auth(&auth).expect("a proof").accept();
    client.receive_accept(&accept).is_ok()
}

/// A pipe with that many boxed layers over its near end.
pub fn boxed(layers: usize) -> (BoxIo, DuplexStream) {
    let (near, far) = duplex(1024);
    let near = (1..layers).fold(BoxIo::new(near), |io, _| BoxIo::new(io));
    (near, far)
}

/// 64 bytes through it, one way and the other. It gives the ends back, so that their drop is not counted.
pub fn ping((mut near, mut far): (BoxIo, DuplexStream)) -> (BoxIo, DuplexStream) {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut message = [7; 64];
    let is_done = [
        Pin::new(&mut near).poll_write(cx, &message).is_ready(),
        Pin::new(&mut near).poll_flush(cx).is_ready(),
        Pin::new(&mut far).poll_write(cx, &message).is_ready(),
        Pin::new(&mut near)
            .poll_read(cx, &mut ReadBuf::new(&mut message))
            .is_ready(),
    ];
    assert_eq!(is_done, [true; 4]);
    (near, far)
}
