//! Why there is no stream, and why a message is not sent.

use std::{error, fmt};

use super::{InvalidLimits, MAX_NAME_LEN, MAX_PEERS, MAX_STREAMS};

/// Why a stream is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenError {
    /// The peer is this host itself.
    OwnPeer,
    /// The name is empty, or has more than [`MAX_NAME_LEN`] bytes.
    Name,
    /// There is a stream of that name to that peer already.
    Exists,
    /// There are [`MAX_STREAMS`] streams to that peer already.
    TooManyStreams,
    /// There are streams to [`MAX_PEERS`] peers already.
    TooManyPeers,
    /// The limits cannot be.
    Limits(InvalidLimits),
    /// Requests and responses are of [`Version::V2`](super::Version::V2), which this host does not speak.
    Version,
    /// The host is closed.
    Closed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnPeer => f.write_str("a host has no stream to itself"),
            Self::Name => write!(f, "the name of a stream has 1 to {MAX_NAME_LEN} bytes"),
            Self::Exists => f.write_str("there is a stream of that name to that peer already"),
            Self::TooManyStreams => write!(f, "there are {MAX_STREAMS} streams to that peer"),
            Self::TooManyPeers => write!(f, "there are streams to {MAX_PEERS} peers"),
            Self::Limits(_) => f.write_str("the limits of the stream cannot be"),
            Self::Version => f.write_str("this host does not speak requests and responses"),
            Self::Closed => f.write_str("the host is closed"),
        }
    }
}

impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Limits(invalid) => Some(invalid),
            _ => None,
        }
    }
}

impl From<InvalidLimits> for OpenError {
    fn from(invalid: InvalidLimits) -> Self {
        Self::Limits(invalid)
    }
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// It is longer than the stream allows.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that there may be, in bytes.
        max: usize,
    },
    /// The stream or its host is closed.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => {
                write!(f, "a message of {len} bytes, where {max} are allowed")
            }
            Self::Closed => f.write_str("the stream is closed"),
        }
    }
}

impl error::Error for SendError {}
