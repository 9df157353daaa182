//! What is done with a connection, and the part of the server in it.

use serde::{Deserialize, Serialize};

use crate::{Result, channel::Channel};

/// What is sent or read at once.
pub(crate) const CHUNK: usize = 64 * 1024;

/// A small message.
pub(crate) const SMALL: usize = 64;

/// What goes over a connection before anything is measured.
pub(crate) const WARM: usize = 16 << 20;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Work {
    /// So many bytes from the client to the server, which then answers with one.
    Bulk { bytes: usize },
    /// So many connections, some at once: each is opened, brings one byte of the server and is dropped.
    Handshakes { count: usize, at_once: usize },
    /// So many small messages one after the other, each sent back.
    Ping { count: usize },
    /// So many connections that wait after one small message and its echo.
    Idle { count: usize },
}

/// What a client says about its work.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) seconds: f64,
    /// The times of single messages, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// The part of the server.
pub(crate) async fn serve(work: Work, mut channel: impl Channel) -> Result<()> {
    match work {
        Work::Bulk { bytes } => {
            swallow(&mut channel, WARM).await?;
            swallow(&mut channel, bytes).await?;
        }
        Work::Handshakes { .. } => {
            channel.send(&[1]).await?;
            channel.flush().await?;
        }
        Work::Ping { .. } | Work::Idle { .. } => {
            let mut message = [0; SMALL];
            while receive_all(&mut channel, &mut message).await? {
                channel.send(&message).await?;
                channel.flush().await?;
            }
        }
    }
    // The client ends it.
    while channel.receive(&mut [0; SMALL]).await? > 0 {}
    Ok(())
}

async fn swallow(channel: &mut impl Channel, bytes: usize) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let room = left.min(CHUNK);
        left -= match channel.receive(&mut buffer[..room]).await? {
            0 => return Err("the client has ended too early".into()),
            count => count,
        };
    }
    channel.send(&[1]).await?;
    channel.flush().await
}

/// Whether there was a message, and not the end.
pub(crate) async fn receive_all(channel: &mut impl Channel, message: &mut [u8]) -> Result<bool> {
    let mut filled = 0;
    while filled < message.len() {
        match channel.receive(&mut message[filled..]).await? {
            0 if filled == 0 => return Ok(false),
            0 => return Err("cut off in a message".into()),
            count => filled += count,
        }
    }
    Ok(true)
}
