//! What can be wrong with a compressed stream.

use std::{error, fmt, io};

use tower_multiserver_core::{Address, Error, ErrorKind};

/// What is wrong with what the peer sent.
///
/// [`Truncated`](Self::Truncated) and [`Malformed`](Self::Malformed) are the source of an [`io::Error`] whose kind is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) or [`InvalidData`](io::ErrorKind::InvalidData). The others are limits:
/// there, the source of the `InvalidData` is an [`Error`] of kind [`ErrorKind::Limit`] that says at which address it
/// happened, and this is its source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionError {
    /// The transport ended in the middle.
    Truncated,
    /// It is not in the format, or its checksum is another; with the words of the decoder.
    Malformed(String),
    /// It asks for a window that takes more memory than [`WINDOW_MAX`](crate::WINDOW_MAX).
    Window,
    /// More than [`EMPTY_MAX`](crate::EMPTY_MAX) bytes in a row brought nothing: headers, empty members, skippable frames.
    Empty,
    /// More than so many bytes came out of it: what [`max_bytes`](crate::CompressionLayer::max_bytes) set.
    Bytes(u64),
    /// More than so many times its own length came out of it: what [`max_ratio`](crate::CompressionLayer::max_ratio) set.
    Ratio(u32),
}

impl CompressionError {
    /// As a stream reports it, and for a limit with the place.
    pub(crate) fn at(self, place: &Address) -> io::Error {
        match self {
            Self::Truncated => io::Error::new(io::ErrorKind::UnexpectedEof, self),
            Self::Malformed(_) => io::Error::new(io::ErrorKind::InvalidData, self),
            Self::Window | Self::Empty | Self::Bytes(_) | Self::Ratio(_) => {
                let error = Error::new(ErrorKind::Limit, self).at(|| place.clone());
                io::Error::new(io::ErrorKind::InvalidData, error)
            }
        }
    }
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the compressed stream was cut off"),
            Self::Malformed(why) => write!(f, "the compressed stream is malformed: {why}"),
            Self::Window => f.write_str("the compressed stream needs too large a window"),
            Self::Empty => f.write_str("too much of the compressed stream holds nothing"),
            Self::Bytes(max) => write!(f, "the compressed stream holds more than {max} bytes"),
            Self::Ratio(max) => write!(f, "the compressed stream grows more than {max} times"),
        }
    }
}

impl error::Error for CompressionError {}
