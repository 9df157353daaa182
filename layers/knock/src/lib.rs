//! The knock of ragep2p, as a transform of `tower-multiserver`: the section `knock:PEERID`.
//!
//! A knock is a short message in clear, with which the dialing side says who it is before anything else happens. A server
//! answers nobody whose knock is wrong or whom it does not expect, so that a stranger learns nothing of it, not even which
//! protocol it speaks, and costs it little. There is no reply to a knock: what follows is the next layer's.
//!
//! **A knock proves nothing about a connection.** It is the same each time, so whoever has seen one can send it again. It
//! lays nothing over the stream either, neither encryption nor an end mark. Both are for the layer above, which
//! must prove the key that was claimed: in ragep2p that is `mtls`, in the address `net:HOST:PORT~knock:PEERID~mtls:PEERID`.
//!
//! | section | meaning |
//! |---|---|
//! | `knock` | to listen: with our own peer id |
//! | `knock:PEERID` | the peer of this id, [`PeerId`](tower_multiserver_core::PeerId) |
//!
//! [`KnockLayer`] is the layer. The message itself is in [`message`], free of IO.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver_core::{
//!     AllowList, ClaimedKey, Connection, Identity, Role, Section, Transform,
//! };
//! use tower_multiserver_knock::KnockLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let peers = AllowList::from_iter([alice.public_key()]);
//! let server = KnockLayer::new(bob.clone()).authorize(peers);
//! let client = KnockLayer::new(alice.clone());
//!
//! let (near, far) = tokio::io::duplex(1024);
//! let [near, far] = [near, far].map(|io| Connection::new(io, Section::new("pipe")));
//! let to_bob = Role::Dial(bob.public_key().into());
//! let (mut dialed, mut accepted) = tokio::try_join!(
//!     client.upgrade(near, to_bob),
//!     server.upgrade(far, Role::Accept),
//! )?;
//!
//! // In clear, and from whoever has the knock: a real stack has a layer above that proves the key.
//! dialed.write_all(b"hello").await?;
//! dialed.shutdown().await?;
//! let mut heard = String::new();
//! accepted.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "hello");
//! assert_eq!(accepted.info().get(), Some(&ClaimedKey(alice.public_key())));
//! assert_eq!(accepted.info().remote_key(), None);
//! # Ok(())
//! # }
//! ```
//!
//! # The protocol, byte by byte
//!
//! It is that of the package `ragep2p` of [libocr](https://github.com/smartcontractkit/libocr), unchanged since its first
//! version of 2021. The dialing side sends 97 bytes:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | version, `02` |
//! | 1 | 32 | its Ed25519 public key (RFC 8032) |
//! | 33 | 64 | its signature of the 57 bytes `ragep2p 1.0.0 knock knock` (25 of ASCII) ‖ the key of the server |
//!
//! The server checks, in this order: that it got 97 bytes, the version, that the key is not its own, the signature. Only then
//! does it ask its hook whether it expects the key, so that the time until it closes does not tell whom it expects:
//! who does not hold a key cannot ask about it. In each case against the peer it closes and sends nothing.
//!
//! The server in Go takes what a single `read` gives it for the whole knock, and closes when that is short. So the knock is
//! written by one write, without a delay (`TCP_NODELAY`, which `net` sets) and without a layer below that cuts or
//! frames it. The server here takes the 97 bytes in as many pieces as they come, until the connection's deadline.
//!
//! Signatures are verified as [`PublicKey::verify`](tower_multiserver_core::PublicKey::verify) does: without the cofactor, as
//! in Go, and stricter in that it refuses keys and points that are not canonical or of small order. No honest signature has
//! such.

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

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod layer;
pub mod message;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

pub use layer::{Knock, KnockLayer};
pub use message::KnockError;
pub use tower_multiserver_core::PeerId as Args;
