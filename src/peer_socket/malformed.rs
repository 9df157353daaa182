//! What a peer may not send.

use std::{error, fmt, io};

use super::{MAX_CONTENT_TYPE, MAX_SESSION_DATA};

/// How a peer broke the rules of the wire. It costs the socket; where it is the frame of a connection, the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// Bytes that are no frame.
    Frame,
    /// A frame that is longer than allowed.
    TooLong,
    /// A content type that is no text, or is longer than [`MAX_CONTENT_TYPE`].
    ContentType,
    /// A message that says it is JSON, and is not.
    Json,
    /// Session data of more than [`MAX_SESSION_DATA`] bytes, or that is no JSON.
    SessionData,
    /// A channel that cannot be, or one more than there may be.
    Channel,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("bytes that are no frame"),
            Self::TooLong => f.write_str("a frame that is too long"),
            Self::ContentType => {
                write!(
                    f,
                    "a content type that is no text of {MAX_CONTENT_TYPE} bytes at most"
                )
            }
            Self::Json => f.write_str("a message that should be JSON and is not"),
            Self::SessionData => {
                write!(
                    f,
                    "session data that is no JSON of {MAX_SESSION_DATA} bytes at most"
                )
            }
            Self::Channel => f.write_str("a channel that cannot be"),
        }
    }
}

impl error::Error for Malformed {}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, malformed)
    }
}
