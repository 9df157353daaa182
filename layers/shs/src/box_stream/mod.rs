//! The box stream: what a connection speaks after the handshake, one direction at a time, free of IO.
//!
//! ```text
//! frame   = header box (34 bytes) ‖ sealed body (0 to 4096 bytes)
//! header  = secretbox(length of the body, 16 bits big endian ‖ tag of the body, nonce)
//! body    = secretbox(data, nonce + 1), its tag stands in the header
//! goodbye = secretbox(18 zero bytes, nonce), the end of the direction
//! ```
//!
//! The nonce counts up by one a box, big endian over all its 24 bytes. A stream that ends without the goodbye was cut.
//!
//! Sources: <https://ssbc.github.io/scuttlebutt-protocol-guide/#box-stream> and npm `pull-box-stream` 1.0.13.
//!
//! ```
//! use tower_multiserver_shs::box_stream::{BoxKey, Next, Opener, Sealer};
//!
//! let key = || BoxKey::new(&[1; 32], [2; 24]);
//! let mut sealed = [0; 128];
//! let progress = Sealer::new(key()).seal(b"hello", &mut sealed);
//! assert_eq!((progress.read, progress.written), (5, 34 + 5));
//!
//! let mut text = [0; 128];
//! let opened = Opener::new(key()).open(&sealed[..progress.written], &mut text)?;
//! assert_eq!(&text[..opened.written], b"hello");
//! assert_eq!(opened.next, Next::Sealed);
//! # Ok::<(), tower_multiserver_shs::box_stream::BoxStreamError>(())
//! ```

mod boxes;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod key;
mod opener;
mod sealer;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::{error, fmt, io};

pub use self::{key::BoxKey, opener::Opener, sealer::Sealer};
pub use tower_multiserver_core::sealed::{Next, Opened, Sealed};

/// The longest body of a frame, in bytes. All implementations send no more, and ours takes no more.
pub const BODY_MAX: usize = 4096;

/// The length of a header, and of a goodbye, in bytes.
pub const HEADER: usize = 34;

/// Why a box stream ended before its goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BoxStreamError {
    /// A box is not what the peer sealed: somebody changed, dropped, repeated or reordered bytes on the way.
    Forged,
    /// The peer announced a body longer than [`BODY_MAX`].
    TooLong,
    /// The transport ended without the peer's goodbye: somebody may have cut off the rest.
    Truncated,
    /// The peer keeps sending frames without a byte in them.
    Empty,
}

impl fmt::Display for BoxStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "the box stream was tampered with",
            Self::TooLong => "a frame of the box stream is too long",
            Self::Truncated => "the box stream was cut off before its end",
            Self::Empty => "the box stream floods us with empty frames",
        })
    }
}

impl error::Error for BoxStreamError {}

/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) for a cut, [`InvalidData`](io::ErrorKind::InvalidData) for the rest.
impl From<BoxStreamError> for io::Error {
    fn from(error: BoxStreamError) -> Self {
        let kind = match error {
            BoxStreamError::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
