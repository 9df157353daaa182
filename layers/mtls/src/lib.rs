//! Mutual TLS 1.3 between Ed25519 identities, as a transform of `tower-multiserver`: the section `mtls:PEERID`.
//!
//! Both sides show a certificate that says no more than a key, and prove to hold it; then all that they say is encrypted
//! and sealed. It is the TLS of [libocr](https://github.com/smartcontractkit/libocr)'s ragep2p, where a peer is known by
//! its [`PeerId`](tower_multiserver_core::PeerId), and together with `knock` what its peers speak:
//! `net:HOST:PORT~knock:PEERID~mtls:PEERID`.
//!
//! | section | meaning |
//! |---|---|
//! | `mtls` | to listen: with our own key |
//! | `mtls:PEERID` | the holder of that key, such as `12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz` |
//!
//! [`MtlsLayer`] is the layer.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver_core::{Connection, Identity, PeerId, RemoteKey, Role, Section, Transform};
//! use tower_multiserver_mtls::MtlsLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let to_bob = PeerId::from(bob.public_key());
//! let (client, server) = (MtlsLayer::new(alice.clone()), MtlsLayer::new(bob));
//!
//! let (near, far) = tokio::io::duplex(1024);
//! let [near, far] = [near, far].map(|io| Connection::new(io, Section::new("pipe")));
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
//! # On the wire
//!
//! TLS 1.3 (RFC 8446) and no older version. Who dials is the client.
//!
//! * **The certificate** has 178 bytes of DER and is made of the key alone, so that it is the same each time: version 3,
//!   serial number 0, no issuer, no subject, no extensions, both dates `00010101000000Z`, the Ed25519 key, and its own
//!   signature over all that. Byte by byte it is the one that libocr makes.
//! * **What is looked at** in the peer's certificate list: that there is one certificate, that it can be read, and that
//!   its key is Ed25519's, usable (canonical, of prime order), and the expected one. Names, dates, extensions and who
//!   signed it are not looked at. The signature in the handshake (`CertificateVerify`, `ed25519` only) proves the key.
//! * **What is expected**: the client wants the key that it dials. The server wants the
//!   [`ClaimedKey`](tower_multiserver_core::ClaimedKey) that a layer below has recorded, or else any.
//! * **Left out**: names in the clear (SNI), ALPN, names of authorities, tickets, resumption, early data, compression of
//!   certificates. Each connection has a whole handshake of its own.
//! * **The key exchange** is what both sides know of X25519, P-256 and P-384; with aws-lc-rs, X25519MLKEM768 comes first.
//! * **Alerts**: a certificate that is not the expected one is answered with `bad_certificate` (42), none at all with
//!   `certificate_required` (116), an older TLS with `protocol_version` (70).
//!
//! # Who learns what
//!
//! A client shows its certificate only when the server has proved the key that was dialed. A server shows its own to
//! whoever greets it, as TLS must; the layer `knock` keeps strangers from that. Certificates go over the wire encrypted.
//!
//! A client has done its part before the server has seen its certificate. So a dial may succeed that the server refuses:
//! then the first read fails, as the handshake would have: with the reason [`Alert`](Reason::Alert) where the key is not the
//! expected one, and [`Gone`](Reason::Gone) where the hook of [`authorize`](MtlsLayer::authorize) refuses, or the server is
//! cut off before its first byte.
//!
//! # Bounds
//!
//! The handshake ends with the deadline of the connection, however busy the peer is. A handshake message of more than
//! 65,535 bytes, and so a list of certificates, is refused when its length is read; no more than that and one record is
//! held of what was not understood yet. A peer may send 32 key updates and 32 empty records in a row, and 4 warnings.
//!
//! # Endings
//!
//! | event | what we see or do |
//! |---|---|
//! | `poll_shutdown` | `close_notify` goes out; reading goes on. The layer below is shut down at once where it has [`HalfClose`] or [`HeldClose`], else when the peer's `close_notify` has been read too |
//! | the peer's `close_notify` | all reads report the end; writing goes on. Later bytes are ignored |
//! | end of the transport without it | [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof), whose cause is [`Truncated`](Reason::Truncated), or [`Gone`](Reason::Gone) before the first byte of a server |
//! | an alert, a changed byte, a broken rule | [`InvalidData`](std::io::ErrorKind::InvalidData) for good; what came before is read first |
//! | a write after `poll_shutdown` | [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) |
//! | drop without `poll_shutdown` | no `close_notify`, so the peer sees a cut |
//!
//! The errors of a read carry an [`Error`](tower_multiserver_core::Error) that says where it happened, and whose source is
//! a [`MtlsError`].
//!
//! [`HalfClose`]: tower_multiserver_core::HalfClose
//! [`HeldClose`]: tower_multiserver_core::HeldClose
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `aws-lc-rs` | `Provider::AWS_LC_RS`, a further choice of cryptography |

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

mod certificate;
mod config;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod io;
mod layer;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod signer;
mod verifier;

pub use error::{MtlsError, Reason};
pub use io::MtlsIo;
pub use layer::{Mtls, MtlsLayer};
pub use tower_multiserver_core::PeerId as Args;
#[doc(inline)]
pub use tower_multiserver_tls::Provider;
