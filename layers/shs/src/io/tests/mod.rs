//! The stream over transports that do what a test wants.

mod endings;
mod flow;
mod turns;
mod wire;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_multiserver_core::PublicKey;

use crate::box_stream::{BODY_MAX, BoxKey, HEADER};

use self::wire::Wire;
use super::*;

const NEAR: [u8; 32] = [1; 32];
const FAR: [u8; 32] = [2; 32];

fn key(key: &[u8; 32]) -> BoxKey {
    BoxKey::new(key, [0xff; 24])
}

fn outcome(sending: &[u8; 32], receiving: &[u8; 32]) -> Outcome {
    Outcome {
        peer: PublicKey::from_bytes([0; 32]),
        sending: key(sending),
        receiving: key(receiving),
    }
}

fn near<I>(io: I, has_half_close: bool) -> ShsIo<I> {
    ShsIo::new(io, outcome(&NEAR, &FAR), has_half_close)
}

fn far<I>(io: I, has_half_close: bool) -> ShsIo<I> {
    ShsIo::new(io, outcome(&FAR, &NEAR), has_half_close)
}

/// Two ends that hear each other, over a transport that holds `size` bytes.
fn pair(size: usize) -> (ShsIo<DuplexStream>, ShsIo<DuplexStream>) {
    let (a, b) = tokio::io::duplex(size);
    (near(a, true), far(b, true))
}

/// What the far end sends: each text in frames of its own.
fn from_far(sealer: &mut Sealer, texts: &[&[u8]]) -> Vec<u8> {
    let mut stream = Vec::new();
    for text in texts {
        let mut out = vec![0; text.len() + HEADER * text.len().div_ceil(BODY_MAX)];
        sealer.seal(text, &mut out);
        stream.extend(out);
    }
    stream
}

/// What the far end hears in `stream`.
fn to_far(stream: &[u8]) -> Vec<u8> {
    let mut opener = Opener::new(key(&NEAR));
    let mut text = vec![0; stream.len()];
    let opened = opener.open(stream, &mut text).unwrap();
    text.truncate(opened.written);
    text
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| (7 * i + 3) as u8).collect()
}
