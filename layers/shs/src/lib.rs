//! Secret Handshake and box stream as a transform of `tower-multiserver`: the section `shs:KEY`.
//!
//! Both sides prove an Ed25519 key to each other, then all that they say is encrypted and sealed. The dialing side must
//! know the key of the side it dials, and shows its own to nobody else. A network has a key too, the app key: who does
//! not know it gets no byte out of a server.
//!
//! | section | meaning |
//! |---|---|
//! | `shs` | to listen: with our own key |
//! | `shs:KEY` | the holder of the Ed25519 key `KEY`, base64 |
//! | `shs:KEY:SEED` | the same, dialed as the holder of `SEED`, such as that of an invitation |
//!
//! [`ShsLayer`] is the layer. What it speaks is in [`handshake`] and [`box_stream`], free of IO.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver_core::{AllowList, Connection, Identity, RemoteKey, Role, Section, Transform};
//! use tower_multiserver_shs::{Args, ShsLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let friends = AllowList::from_iter([alice.public_key()]);
//! let server = ShsLayer::new(bob.clone()).authorize(friends);
//! let client = ShsLayer::new(alice.clone());
//!
//! let (near, far) = tokio::io::duplex(1024);
//! let [near, far] = [near, far].map(|io| Connection::new(io, Section::new("pipe")));
//! let to_bob = Args { key: bob.public_key().try_into()?, seed: None };
//! let (mut dialed, mut accepted) = tokio::try_join!(
//!     client.upgrade(near, Role::Dial(to_bob)),
//!     server.upgrade(far, Role::Accept),
//! )?;
//!
//! dialed.write_all(b"hello").await?;
//! dialed.shutdown().await?;
//! let mut heard = String::new();
//! accepted.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "hello");
//! assert_eq!(accepted.info().get(), Some(&RemoteKey(alice.public_key())));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | meaning |
//! |---|---|
//! | `dryoc` (default) | XSalsa20-Poly1305 by `dryoc`, which is several times as fast as the RustCrypto crates used without it |
//!
//! # Endings
//!
//! | event | what we see or do |
//! |---|---|
//! | `poll_shutdown` | the goodbye goes out; reading goes on. The layer below is shut down at once where it has [`HalfClose`] or [`HeldClose`], else when the peer's goodbye has been read too |
//! | the peer's goodbye | all reads report the end; writing goes on. Later bytes are ignored |
//! | end of the transport without it | [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof), whose source is [`Truncated`](box_stream::BoxStreamError::Truncated) |
//! | a changed byte | [`InvalidData`](std::io::ErrorKind::InvalidData) for good; what came before is read first |
//! | a write after `poll_shutdown` | [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) |
//! | drop without `poll_shutdown` | no goodbye, so the peer sees a cut |
//!
//! [`HalfClose`]: tower_multiserver_core::HalfClose
//! [`HeldClose`]: tower_multiserver_core::HeldClose

#![cfg_attr(docsrs, feature(doc_cfg))]
// Whatever comes from outside, it is an error at worst.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

pub mod box_stream;
pub mod handshake;
mod layer;
#[cfg(any(test, fuzzing))]
#[path = "../../../fuzz/middleman.rs"]
mod middleman;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod secretbox;
#[cfg(test)]
mod tests;

pub use layer::{Shs, ShsIo, ShsLayer};
pub use tower_multiserver_core::KeyArgs as Args;
