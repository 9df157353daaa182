//! Streams that seal what is written and open what arrives: the IO of a layer such as `shs`, of which the layer brings
//! the codec alone.
//!
//! A codec is free of IO: a [`Seal`] makes frames of text, an [`Open`] text of frames, each for one direction. Both end
//! with a goodbye that nobody else can make, so that a cut is told from an end. [`SealedIo`] does the rest.
//!
//! # Endings
//!
//! | event | what we see or do |
//! |---|---|
//! | `poll_shutdown` | the goodbye goes out; reading goes on. The layer below is shut down at once where it has [`HalfClose`] or [`HeldClose`], else when the peer's goodbye has been read too |
//! | the peer's goodbye | all reads report the end; writing goes on. Later bytes are ignored |
//! | end of the transport without it | the error of [`Open::end`] |
//! | an error of the codec | it stands for good; what came before is read first |
//! | a write after `poll_shutdown` | [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) |
//! | drop without `poll_shutdown` | no goodbye, so the peer sees a cut |
//!
//! [`HalfClose`]: crate::HalfClose
//! [`HeldClose`]: crate::HeldClose
//!
//! # Example
//!
//! A codec that seals nothing at all: a frame is a byte that tells the length, and no text is the goodbye.
//!
//! ```
//! use std::io;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver_core::sealed::{Next, Open, Opened, Seal, Sealed, SealedIo};
//!
//! struct Plain;
//!
//! impl Seal for Plain {
//!     const TEXT_MAX: usize = 255;
//!     const OVERHEAD: usize = 1;
//!     const GOODBYE_MAX: usize = 1;
//!
//!     fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed {
//!         let length = text.len().min(255).min(out.len().saturating_sub(1));
//!         if length == 0 {
//!             return Sealed::default();
//!         }
//!         out[0] = length as u8;
//!         out[1..=length].copy_from_slice(&text[..length]);
//!         Sealed { read: length, written: 1 + length }
//!     }
//!
//!     fn goodbye(self, out: &mut [u8]) -> usize {
//!         out[0] = 0;
//!         1
//!     }
//! }
//!
//! /// Whether the peer has ended.
//! struct Lengths(bool);
//!
//! impl Open for Lengths {
//!     type Error = io::Error;
//!
//!     fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> io::Result<Opened> {
//!         let next = |next| Ok(Opened { read: 0, written: 0, next });
//!         let Some((&length, rest)) = sealed.split_first() else {
//!             return next(if self.0 { Next::Nothing } else { Next::Sealed });
//!         };
//!         self.0 |= length == 0;
//!         let length = usize::from(length);
//!         match (rest.get(..length), text.get_mut(..length)) {
//!             _ if self.0 => next(Next::Nothing),
//!             (None, _) => next(Next::Sealed),
//!             (_, None) => next(Next::Room(length)),
//!             (Some(sealed), Some(text)) => {
//!                 text.copy_from_slice(sealed);
//!                 Ok(Opened { read: 1 + length, written: length, next: Next::Call })
//!             }
//!         }
//!     }
//!
//!     fn end(&mut self) -> io::Result<()> {
//!         if self.0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
//!     }
//!
//!     fn is_over(&self) -> bool {
//!         self.0
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> io::Result<()> {
//! let (near, far) = tokio::io::duplex(1024);
//! let mut near = SealedIo::new(near, Plain, Lengths(false), true);
//! let mut far = SealedIo::new(far, Plain, Lengths(false), true);
//! near.write_all(b"hello").await?;
//! near.shutdown().await?;
//! let mut heard = String::new();
//! far.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "hello");
//! # Ok(())
//! # }
//! ```

mod buffer;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod io;
mod reader;
mod writer;

pub use self::io::SealedIo;

/// Makes the frames of one direction.
pub trait Seal: Send + Unpin + 'static {
    /// The longest text of a frame, in bytes.
    const TEXT_MAX: usize;

    /// What a frame takes beyond its text, in bytes. A full frame and a goodbye take 66,114 bytes at most.
    const OVERHEAD: usize;

    /// The longest goodbye, in bytes.
    const GOODBYE_MAX: usize;

    /// Seals as much of `text` as `out` has room for, in frames as long as they may be. Where `out` has room for no text,
    /// nothing happens.
    fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed;

    /// Writes the end of the direction to `out`, which has room for it, and says how long it is.
    fn goodbye(self, out: &mut [u8]) -> usize;
}

/// Opens the frames of one direction.
///
/// Nothing of a frame comes out before all of it has been verified, and nothing at all after an error or the goodbye.
pub trait Open: Send + Unpin + 'static {
    /// Why a stream ended before its goodbye.
    type Error: Into<std::io::Error>;

    /// Opens the frames of `sealed` that are there as a whole and that `text` has room for.
    ///
    /// The next call offers again the bytes that this one did not read.
    ///
    /// # Errors
    ///
    /// What is wrong with the next frame, by a call that wrote nothing: what came before is handed out first. All further
    /// calls fail alike.
    fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> Result<Opened, Self::Error>;

    /// Tells that the peer has sent no more for now. A codec that counts what a peer sends without a pause begins anew.
    fn pause(&mut self) {}

    /// Tells that the transport has ended.
    ///
    /// # Errors
    ///
    /// That the stream was cut, unless the peer has said goodbye; or the error that was before.
    fn end(&mut self) -> Result<(), Self::Error>;

    /// Whether nothing more can come: the peer has ended the direction, or it failed.
    fn is_over(&self) -> bool;
}

/// What [`Seal::seal`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// So many bytes of the text are in frames now.
    pub read: usize,
    /// So many bytes of frames were written.
    pub written: usize,
}

/// What [`Open::open`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// So many sealed bytes are done with.
    pub read: usize,
    /// So many bytes of text were written.
    pub written: usize,
    /// What it wants to go on.
    pub next: Next,
}

/// What an [`Open`] wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More sealed bytes: the rest of a frame is missing.
    Sealed,
    /// Room for so much text: the frame is there.
    Room(usize),
    /// A further call: it stopped so that others have their turn, or before an error.
    Call,
    /// Nothing: the peer has ended the direction. Whatever follows is not of this stream.
    Nothing,
}
