//! The stream over a pipe, with a peer that speaks in raw bytes.

mod bytes;
mod control;
mod ending;
mod properties;
mod seeds;

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, DuplexStream, duplex},
    time::timeout,
};

use super::{Violation, WsIo, frame::Side};

pub(super) type Ws = WsIo<DuplexStream>;

/// A stream of ours, and the raw bytes of the other end; the pipe holds `size` bytes.
pub(super) fn raw(side: Side, size: usize) -> (Ws, DuplexStream) {
    let (ours, theirs) = duplex(size);
    (WsIo::new(ours, side, b""), theirs)
}

pub(super) fn pair(size: usize) -> (Ws, Ws) {
    let (client, server) = duplex(size);
    (
        WsIo::new(client, Side::Client, b""),
        WsIo::new(server, Side::Server, b""),
    )
}

pub(super) async fn read_exactly<const N: usize>(
    io: &mut (impl tokio::io::AsyncRead + Unpin),
) -> [u8; N] {
    let mut bytes = [0; N];
    io.read_exact(&mut bytes).await.expect("enough bytes");
    bytes
}

pub(super) async fn read_error(ws: &mut Ws) -> io::Error {
    let mut read = Vec::new();
    let end = timeout(Duration::from_secs(60), ws.read_to_end(&mut read)).await;
    end.expect("no hang").expect_err("an error")
}

pub(super) fn violation(error: &io::Error) -> Option<Violation> {
    error.get_ref()?.downcast_ref().copied()
}

/// Random-looking bytes that tell when some are lost or doubled.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
