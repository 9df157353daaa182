//! The stream over transports that do what a test wants.

mod endings;
mod flow;
mod turns;
mod wire;

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{
    CompressionError,
    decompressor::tests::{compress, text},
    format::{ALL, Format},
    limits::Limits,
};

use self::wire::Wire;
use super::*;

fn limited<I>(
    format: &'static Format,
    limits: Limits,
    io: I,
    has_half_close: bool,
) -> CompressionIo<I> {
    let compressor = Compressor::new(format, format.level);
    let decompressor = Decompressor::new(format, limits, has_half_close);
    let place = "pipe~compressed".parse().unwrap();
    CompressionIo::new(io, (compressor, decompressor), place, has_half_close)
}

fn over<I>(format: &'static Format, io: I, has_half_close: bool) -> CompressionIo<I> {
    limited(format, Limits::default(), io, has_half_close)
}

/// Two ends that hear each other, over a transport that holds `size` bytes.
fn pair(
    format: &'static Format,
    size: usize,
) -> (CompressionIo<DuplexStream>, CompressionIo<DuplexStream>) {
    let (a, b) = tokio::io::duplex(size);
    (over(format, a, true), over(format, b, true))
}

/// What a peer hears in what was written so far, without more of it.
fn heard(format: &'static Format, stream: &[u8]) -> Vec<u8> {
    let mut decompressor = Decompressor::new(format, Limits::default(), true);
    let (mut all, mut at, mut out) = (Vec::new(), 0, vec![0; 4096]);
    loop {
        let decoded = decompressor.decode(&stream[at..], &mut out).unwrap();
        at += decoded.read;
        all.extend_from_slice(&out[..decoded.written]);
        if (decoded.read, decoded.written) == (0, 0) {
            return all;
        }
    }
}
