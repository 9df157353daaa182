//! What `layers.rs` measures.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::Io;

/// What is written at once.
pub const CHUNK: usize = 64 * 1024;

/// What goes one way before it is flushed.
pub const BULK: usize = 1 << 20;

const SMALL: usize = 64;

/// All of `text` one way.
pub async fn bulk(near: &mut impl Io, far: &mut impl Io, text: &[u8]) {
    let send = async {
        for chunk in text.chunks(CHUNK) {
            near.write_all(chunk).await.expect("sent");
        }
        near.flush().await.expect("sent");
    };
    let receive = async {
        let (mut buffer, mut left) = (vec![0; CHUNK], text.len());
        while left > 0 {
            let room = left.min(CHUNK);
            left -= far.read(&mut buffer[..room]).await.expect("received");
        }
    };
    tokio::join!(send, receive);
}

/// A small message and its echo.
pub async fn ping(near: &mut impl Io, far: &mut impl Io) {
    let mut message = [7; SMALL];
    near.write_all(&message).await.expect("sent");
    near.flush().await.expect("sent");
    far.read_exact(&mut message).await.expect("received");
    far.write_all(&message).await.expect("sent");
    far.flush().await.expect("sent");
    near.read_exact(&mut message).await.expect("received");
}

/// Lines as a log has them, so that there is something to compress.
pub fn text() -> Vec<u8> {
    let mut text = String::new();
    let mut number = 1_u64;
    while text.len() < BULK {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let (key, value) = (number >> 40, number >> 50);
        text += &format!("{{\"key\":\"{key:x}\",\"type\":\"post\",\"text\":\"number {value}\"}}\n");
    }
    text.truncate(BULK);
    text.into_bytes()
}
