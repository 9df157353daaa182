//! Compression by our layer, and by the codec that is in it, over a pipe of one thread.

use async_compression::{
    Level,
    tokio::{
        bufread::{GzipDecoder, ZstdDecoder},
        write::{GzipEncoder, ZstdEncoder},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, duplex},
    runtime::Runtime,
};
use tower_multiserver::{Connection, Role, Section, Transform as _, compression::CompressionLayer};

use crate::{Result, work::CHUNK};

use super::{Parts, time};

/// What goes over one connection.
const LENGTH: usize = 4 << 20;

/// Calls for a GiB.
const CALLS: f64 = ((1 << 30) / LENGTH) as f64;

pub(super) fn measure(parts: &mut Parts) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let text = text();
    let mut add = |name: &str, seconds: f64| parts.insert(name.to_owned(), seconds * CALLS);

    // The levels are those of the layers.
    add(
        "gzip alone",
        time(|| {
            let (near, far) = duplex(CHUNK);
            let near = GzipEncoder::with_quality(near, Level::Precise(6));
            pass(
                &runtime,
                near,
                GzipDecoder::new(BufReader::with_capacity(CHUNK, far)),
                &text,
            )
        })?,
    );
    add(
        "gzip layer",
        time(|| layered(&runtime, CompressionLayer::gzip(), &text))?,
    );
    add(
        "zstd alone",
        time(|| {
            let (near, far) = duplex(CHUNK);
            let near = ZstdEncoder::with_quality(near, Level::Precise(3));
            pass(
                &runtime,
                near,
                ZstdDecoder::new(BufReader::with_capacity(CHUNK, far)),
                &text,
            )
        })?,
    );
    add(
        "zstd layer",
        time(|| layered(&runtime, CompressionLayer::zstd(), &text))?,
    );
    Ok(())
}

fn layered(runtime: &Runtime, layer: CompressionLayer, text: &[u8]) -> usize {
    let (near, far) = duplex(CHUNK);
    let [near, far] = [near, far].map(|io| Connection::new(io, Section::new("pipe")));
    let (near, far) = runtime.block_on(async {
        let near = layer.clone().upgrade(near, Role::Dial(())).await;
        (near, layer.upgrade(far, Role::Accept).await)
    });
    pass(
        runtime,
        near.expect("no handshake"),
        far.expect("no handshake"),
        text,
    )
}

fn pass(
    runtime: &Runtime,
    mut near: impl AsyncWrite + Unpin,
    mut far: impl AsyncRead + Unpin,
    text: &[u8],
) -> usize {
    let send = async {
        for chunk in text.chunks(CHUNK) {
            near.write_all(chunk).await?;
        }
        near.shutdown().await
    };
    let receive = async {
        let (mut buffer, mut received) = (vec![0; CHUNK], 0);
        loop {
            match far.read(&mut buffer).await? {
                0 => return std::io::Result::Ok(received),
                count => received += count,
            }
        }
    };
    let (sent, received) = runtime.block_on(async { tokio::join!(send, receive) });
    sent.expect("a pipe");
    let received = received.expect("a pipe");
    assert_eq!(received, text.len());
    received
}

/// Lines as a log has them.
fn text() -> Vec<u8> {
    let mut text = String::new();
    let mut number = 1_u64;
    while text.len() < LENGTH {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let (key, value) = (number >> 40, number >> 50);
        text += &format!("{{\"key\":\"{key:x}\",\"type\":\"post\",\"text\":\"number {value}\"}}\n");
    }
    text.truncate(LENGTH);
    text.into_bytes()
}
