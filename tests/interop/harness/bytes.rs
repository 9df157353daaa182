//! The bytes that go over a connection, counted and hashed.

use std::io;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tower_multiserver::Io;

/// What went one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Half {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Half {
    /// What the JavaScript side says that it received.
    pub(crate) fn received(done: &Value) -> Self {
        Self::reported(&done["received"], &done["sha256"])
    }

    /// What the JavaScript side says that it sent.
    pub(crate) fn sent(done: &Value) -> Self {
        Self::reported(&done["sent"], &done["sentSha256"])
    }

    /// What a peer counted and hashed.
    pub(crate) fn reported(bytes: &Value, sha256: &Value) -> Self {
        Self {
            bytes: bytes.as_u64().expect("a number of bytes"),
            sha256: super::text(sha256).to_owned(),
        }
    }
}

#[derive(Default)]
struct Tally(u64, Sha256);

impl Tally {
    fn add(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
        self.1.update(bytes);
    }

    fn half(self) -> Half {
        Half {
            bytes: self.0,
            sha256: hex::encode(self.1.finalize()),
        }
    }
}

/// After how many bytes the pattern begins again: a prime, so that no frame that is lost, doubled or swapped leaves the
/// hash of the whole as it was.
const PERIOD: usize = 65_521;

/// Sends the first `bytes` bytes of the pattern.
async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: usize) -> Half {
    let block: Vec<u8> = (0..PERIOD).map(|p| (p * 31 + (p >> 8)) as u8).collect();
    let mut tally = Tally::default();
    let mut left = bytes;
    while left > 0 {
        let piece = &block[..left.min(PERIOD)];
        to.write_all(piece).await.expect("the peer reads");
        tally.add(piece);
        left -= piece.len();
    }
    to.flush().await.expect("the peer reads");
    tally.half()
}

/// Sends the first `bytes` bytes of the pattern, and ends.
pub(crate) async fn send_to_end(to: &mut (impl AsyncWrite + Unpin), bytes: usize) -> Half {
    let sent = send(to, bytes).await;
    to.shutdown().await.expect("our direction ends");
    sent
}

/// Reads to the end.
pub(crate) async fn read_to_end(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Half> {
    let mut tally = Tally::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(tally.half()),
            n => tally.add(&buffer[..n]),
        }
    }
}

/// Sends the pattern and ends, reading to the end all the while: what was sent, and what came.
pub(crate) async fn exchange(connection: impl Io, bytes: usize) -> (Half, Half) {
    let (mut from, mut to) = split(connection);
    let (sent, received) = tokio::join!(send_to_end(&mut to, bytes), read_to_end(&mut from));
    (sent, received.expect("the peer ends as it should"))
}

/// Sends back what comes, and ends when the peer has ended.
pub(crate) async fn echo(mut connection: impl Io) -> Half {
    let mut tally = Tally::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = connection.read(&mut buffer).await;
        match n.expect("the peer ends as it should") {
            0 => break,
            n => {
                tally.add(&buffer[..n]);
                let sent = connection.write_all(&buffer[..n]).await;
                sent.expect("the peer reads");
                connection.flush().await.expect("the peer reads");
            }
        }
    }
    connection.shutdown().await.expect("our direction ends");
    tally.half()
}
