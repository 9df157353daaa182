//! What a peer may not do: each of these ends its connection.

use std::{error, fmt};

use super::{MAX_CONTROL_FRAMES, MAX_MESSAGE_LEN, MAX_NAME_LEN};

/// What a peer did that ends its connection. Streams survive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A frame of a type that there is not.
    UnknownFrame(u8),
    /// A request or response, to a host of [`Version::V1`](super::Version::V1).
    UnsupportedFrame,
    /// A stream without a name, to a host of [`Version::V1`](super::Version::V1).
    EmptyName,
    /// A stream's name of more than [`MAX_NAME_LEN`] bytes.
    NameTooLong(u32),
    /// A payload where a stream is closed.
    CloseWithPayload(u32),
    /// More than [`MAX_CONTROL_FRAMES`] streams opened and closed on one connection.
    TooManyControlFrames,
    /// A message of more than [`MAX_MESSAGE_LEN`] bytes.
    MessageTooLong(u32),
    /// A message longer than its stream allows, to a host of [`Version::V1`](super::Version::V1).
    MessageOverLimit {
        /// Its length in bytes.
        len: u32,
        /// The most that its stream allows, in bytes.
        max: usize,
    },
    /// More bytes than all streams together allow, to a host of [`Version::V1`](super::Version::V1).
    RateExceeded,
    /// Far more bytes of encryption than of content, to a host of [`Version::V2`](super::Version::V2).
    Overhead,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFrame(frame) => write!(f, "there is no frame of type {frame}"),
            Self::UnsupportedFrame => f.write_str("a request or response, which version 1 has not"),
            Self::EmptyName => f.write_str("a stream without a name"),
            Self::NameTooLong(len) => {
                write!(f, "the name of a stream has {len} bytes, of {MAX_NAME_LEN}")
            }
            Self::CloseWithPayload(len) => write!(f, "a close frame has {len} bytes of payload"),
            Self::TooManyControlFrames => {
                write!(
                    f,
                    "more than {MAX_CONTROL_FRAMES} streams opened and closed"
                )
            }
            Self::MessageTooLong(len) => {
                write!(f, "a message has {len} bytes, of {MAX_MESSAGE_LEN}")
            }
            Self::MessageOverLimit { len, max } => {
                write!(f, "a message has {len} bytes, of the {max} of its stream")
            }
            Self::RateExceeded => f.write_str("more bytes than all streams together allow"),
            Self::Overhead => f.write_str("far more bytes of encryption than of content"),
        }
    }
}

impl error::Error for Violation {}
