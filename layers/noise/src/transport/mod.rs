//! What a connection speaks after the handshake, one direction at a time, free of IO.
//!
//! ```text
//! frame   = length (16 bits, big endian) ‖ transport message of that length
//! message = ChaCha20-Poly1305(text, nonce, no additional data), its tag behind it
//! goodbye = the message of no text: the end of the direction
//! ```
//!
//! A frame is 65,535 bytes long at most, with its length, so it carries 1 to 65,517 bytes of text; lengths below 16 and
//! above 65,533 are errors. The nonce counts the messages of the direction from 0. After each 2^20 messages the key is
//! replaced (section 4.2 of Noise), and the nonce goes on. A stream that ends without the goodbye was cut.
//!
//! ```
//! use tower_multiserver_core::sealed::Next;
//! use tower_multiserver_noise::transport::{Opener, Sealer, TransportKey};
//!
//! let key = || TransportKey::new(&[1; 32]);
//! let mut sealed = [0; 128];
//! let progress = Sealer::new(key()).seal(b"hello", &mut sealed);
//! assert_eq!((progress.read, progress.written), (5, 2 + 5 + 16));
//!
//! let mut text = [0; 128];
//! let opened = Opener::new(key()).open(&sealed[..progress.written], &mut text)?;
//! assert_eq!(&text[..opened.written], b"hello");
//! assert_eq!(opened.next, Next::Sealed);
//! # Ok::<(), tower_multiserver_noise::transport::FrameError>(())
//! ```

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod key;
mod opener;
mod sealer;
#[cfg(test)]
mod tests;

use std::{error, fmt, io};

use tower_multiserver_core::ErrorKind;

use crate::crypto::TAG;

pub use self::{
    key::{REKEY_AFTER, TransportKey},
    opener::{Opener, PlacedOpener},
    sealer::Sealer,
};

/// The longest frame with its length, in bytes.
pub const FRAME_MAX: usize = 65_535;

/// What a frame takes beyond its text, in bytes: the length and the tag. So long is a goodbye.
pub const OVERHEAD: usize = LENGTH + TAG;

/// The longest text of a frame, in bytes.
pub const TEXT_MAX: usize = FRAME_MAX - OVERHEAD;

/// The length of a frame's length, in bytes.
const LENGTH: usize = 2;

/// Why a stream ended before its goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer announced a message that is shorter than a tag.
    TooShort,
    /// The peer announced a message that makes its frame longer than [`FRAME_MAX`].
    TooLong,
    /// A message is not what the peer sealed: somebody changed, dropped, repeated or reordered bytes on the way.
    Forged,
    /// The transport ended without the peer's goodbye: somebody may have cut off the rest.
    Truncated,
}

impl FrameError {
    /// The kind of the [`Error`](tower_multiserver_core::Error) that it is to the reader of a connection.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::TooShort | Self::TooLong => ErrorKind::Limit,
            Self::Forged | Self::Truncated => ErrorKind::Io,
        }
    }

    fn io_kind(self) -> io::ErrorKind {
        match self {
            Self::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "a noise message is too short",
            Self::TooLong => "a noise message is too long",
            Self::Forged => "the noise stream was tampered with",
            Self::Truncated => "the noise stream was cut off before its end",
        })
    }
}

impl error::Error for FrameError {}
