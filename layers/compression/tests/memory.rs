//! What a bomb costs in memory, measured as what the process holds. Alone in its process, and Linux tells it.
#![cfg(all(
    target_os = "linux",
    feature = "gzip",
    feature = "zstd",
    feature = "deflate",
    feature = "brotli"
))]

use std::{
    env, fs,
    io::Result,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tower_multiserver_compression::{CompressionLayer, WINDOW_MAX};
use tower_multiserver_core::{Connection, HalfClose, Role, Section, Transform as _};

/// How many bytes come out of a bomb, far more than any window: a gibibyte in the large form, `MULTISERVER_SOAK=large`.
fn out() -> usize {
    match env::var("MULTISERVER_SOAK").as_deref() {
        Ok("large") => 1 << 30,
        _ => 64 << 20,
    }
}

/// Beside the window: a decoder's tables and a block of zstd, our buffers, and what an allocator wastes.
const BESIDE: usize = 1 << 20;

/// A peer that sends a beginning and then the same for ever.
struct Bomb {
    beginning: Vec<u8>,
    again: Vec<u8>,
}

impl AsyncRead for Bomb {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        if !this.beginning.is_empty() {
            buf.put_slice(&std::mem::take(&mut this.beginning));
        }
        while buf.remaining() >= this.again.len() {
            buf.put_slice(&this.again);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bomb {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Zeros, as our own compressor says them: what it says from the second mebibyte on can be said again and again.
async fn zeros(layer: CompressionLayer) -> Bomb {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let near = Connection::new(near, Section::new("pipe")).with(HalfClose);
    let mut near = layer.upgrade(near, Role::Accept).await.expect("laid over");
    let mut pieces = Vec::new();
    for _ in 0..8 {
        near.write_all(&vec![0; 1 << 20]).await.expect("a bomb");
        near.flush().await.expect("a bomb");
        let mut piece = vec![0; 1 << 20];
        let length = far.read(&mut piece).await.expect("a bomb");
        piece.truncate(length);
        pieces.push(piece);
    }
    let again = pieces.pop().expect("eight");
    Bomb {
        beginning: pieces.concat(),
        again,
    }
}

/// How much more memory the process holds, at its peak, while it reads the bomb.
async fn peak(layer: CompressionLayer, bomb: Bomb) -> usize {
    let mut buf = vec![1; 1 << 16];
    let connection = Connection::new(bomb, Section::new("pipe")).with(HalfClose);
    // Sets the peak back to what is held now.
    fs::write("/proc/self/clear_refs", "5").expect("set back");
    let before = held("VmHWM:");
    let mut reading = layer
        .upgrade(connection, Role::Accept)
        .await
        .expect("laid over");
    let (mut read, out) = (0, out());
    while read < out {
        let count = reading.read(&mut buf).await.expect("a bomb");
        assert!(count > 0 && buf[..count].iter().all(|byte| *byte == 0));
        read += count;
    }
    held("VmHWM:") - before
}

fn held(what: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kibibytes = line.expect("Linux tells it").trim().trim_end_matches(" kB");
    kibibytes.parse::<usize>().expect("a number") << 10
}

#[tokio::test]
async fn a_bomb_takes_its_window_and_little_beside_it() {
    // Blocks of 128 KiB, in four bytes each, behind a header that asks for a window of 8 MiB.
    let zstd = Bomb {
        beginning: vec![0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3],
        again: vec![2, 0, 16, 0],
    };
    let zstd = peak(CompressionLayer::zstd(), zstd).await;
    // As our own compressor says it, with a window of 4 MiB.
    let brotli = Bomb {
        beginning: vec![
            0xab, 0xff, 0xff, 0x07, 0x40, 0x02, 0x20, 0x1e, 0x0b, 0x24, 0xf7, 0xfe, 0xc1, 0x00,
        ],
        again: vec![
            0xfa, 0xff, 0x7f, 0x00, 0x24, 0x00, 0xe2, 0xb0, 0x00, 0x74, 0xef, 0x1f, 0x0c,
        ],
    };
    let brotli = peak(CompressionLayer::brotli(), brotli).await;
    let gzip = zeros(CompressionLayer::gzip()).await;
    let gzip = peak(CompressionLayer::gzip(), gzip).await;
    let deflate = zeros(CompressionLayer::deflate()).await;
    let deflate = peak(CompressionLayer::deflate(), deflate).await;

    println!(
        "measured compression\tpeak memory of a bomb of {} MiB, bytes\tzstd {zstd}, brotli {brotli}, gzip {gzip}, deflate {deflate}",
        out() >> 20
    );
    for (window, peak) in [
        (WINDOW_MAX, zstd),
        (WINDOW_MAX, brotli),
        (1 << 15, gzip),
        (1 << 15, deflate),
    ] {
        assert!(peak <= window + BESIDE, "{peak} for a window of {window}");
    }
    // Else it is not a measurement.
    assert!(zstd > WINDOW_MAX && brotli > WINDOW_MAX / 2);
}
