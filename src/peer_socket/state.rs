//! How far a swarm or a socket is, and why a socket ended.

use std::{error, fmt};

use super::Malformed;

/// How far a swarm or a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadyState {
    /// It is being joined.
    Connecting,
    /// It is there.
    Open,
    /// It is being closed: what waits is written still.
    Closing,
    /// It is no more.
    Closed,
}

/// Why a socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it, left the swarm, or banned the peer.
    Local,
    /// The peer closed it, left the swarm, or, where the network tells that from a loss, ended the connection.
    Remote,
    /// The connection ended without that, or a newer one of the same peer took its place.
    Reset,
    /// The peer was silent for too long.
    Timeout,
    /// The peer broke the rules of the wire.
    Protocol(Malformed),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("closed here"),
            Self::Remote => f.write_str("closed by the peer"),
            Self::Reset => f.write_str("the connection was lost"),
            Self::Timeout => f.write_str("the peer fell silent"),
            Self::Protocol(malformed) => write!(f, "the peer sent {malformed}"),
        }
    }
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// Its content is longer than allowed.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that there may be, in bytes.
        max: usize,
    },
    /// Its content type is longer than [`MAX_CONTENT_TYPE`](super::MAX_CONTENT_TYPE).
    ContentType,
    /// The socket is closed.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => {
                write!(f, "a message of {len} bytes, where {max} are allowed")
            }
            Self::ContentType => f.write_str("the content type is too long"),
            Self::Closed => f.write_str("the socket is closed"),
        }
    }
}

impl error::Error for SendError {}

impl From<SendError> for std::io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Closed => std::io::ErrorKind::BrokenPipe,
            _ => std::io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
