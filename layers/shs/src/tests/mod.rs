//! The stream over transports that do what a test wants.

mod endings;
mod flow;
mod turns;
mod wire;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tower_multiserver_core::sealed::SealedIo;

use crate::{
    ShsIo,
    box_stream::{BODY_MAX, BoxKey, HEADER, Opener, Sealer},
};

use self::wire::Wire;

const NEAR: [u8; 32] = [1; 32];
const FAR: [u8; 32] = [2; 32];

fn key(key: &[u8; 32]) -> BoxKey {
    BoxKey::new(key, [0xff; 24])
}

fn over<I>(io: I, sending: BoxKey, receiving: BoxKey, has_half_close: bool) -> ShsIo<I> {
    let (sealer, opener) = (Sealer::new(sending), Opener::new(receiving));
    SealedIo::new(io, sealer, opener, has_half_close)
}

fn near<I>(io: I, has_half_close: bool) -> ShsIo<I> {
    over(io, key(&NEAR), key(&FAR), has_half_close)
}

fn far<I>(io: I, has_half_close: bool) -> ShsIo<I> {
    over(io, key(&FAR), key(&NEAR), has_half_close)
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
