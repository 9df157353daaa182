//! The Noise protocol between Ed25519 identities, as a transform of `tower-multiserver`: the section `noise:KEY`.
//!
//! It does what `shs` does, with the same keys, so that one identity serves both protocols side by side: both sides prove
//! an Ed25519 key to each other, then all that they say is encrypted and sealed. The dialing side must know the key of the
//! side it dials, and shows its own to nobody else. Who does not know the network's app key gets no byte out of a server.
//! Beyond `shs`, frames are long, and keys are replaced as a connection goes on.
//!
//! | section | meaning |
//! |---|---|
//! | `noise` | to listen: with our own key |
//! | `noise:KEY` | the holder of the Ed25519 key `KEY`, base64 |
//! | `noise:KEY:SEED` | the same, dialed as the holder of `SEED`, such as that of an invitation |
//!
//! [`NoiseLayer`] is the layer. What it speaks is in [`handshake`] and [`transport`], free of IO.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver_core::{AllowList, Connection, Identity, RemoteKey, Role, Section, Transform};
//! use tower_multiserver_noise::{Args, NoiseLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let friends = AllowList::from_iter([alice.public_key()]);
//! let server = NoiseLayer::new(bob.clone()).authorize(friends);
//! let client = NoiseLayer::new(alice.clone());
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
//! # The protocol, byte by byte
//!
//! It is `Noise_XKpsk0_25519_ChaChaPoly_SHA256` of the [Noise Protocol Framework](https://noiseprotocol.org/noise.html),
//! revision 34, whose words are used here. The client is the initiator. Numbers are big endian, `‖` joins bytes, texts are
//! ASCII.
//!
//! What both sides know before:
//!
//! | | bytes | what it is |
//! |---|---|---|
//! | `KEY` | 32 | the server's Ed25519 public key (RFC 8032), canonical, a point of the group's prime-order part |
//! | prologue | 57 | `tower-multiserver noise 1` (25 bytes) ‖ `KEY` |
//! | `psk` | 32 | the app key of the network |
//! | `s`, `rs` | 32 | the X25519 forms of the Ed25519 identities: the secret is the first half of SHA-512 of the seed, clamped; the public key is (1 + y) / (1 − y) modulo 2²⁵⁵ − 19, little endian |
//!
//! What is said, each message of one length and without a length before it:
//!
//! | | bytes | | |
//! |---|---|---|---|
//! | hello of the client | 48 | 0–31 | `e` |
//! | | | 32–47 | tag of the empty payload, after `psk`, `e`, `es` |
//! | hello of the server | 48 | 0–31 | `e` |
//! | | | 32–47 | tag of the empty payload, after `e`, `ee` |
//! | proof of the client | 160 | 0–47 | its static key `s`, sealed, with its tag |
//! | | | 48–143 | sealed after `se`: its Ed25519 key `A` (32) ‖ its signature (64) |
//! | | | 144–159 | the tag of that |
//! | consent of the server | 16 | 0–15 | the first transport message of the server: the tag of no text |
//!
//! The signature is Ed25519's by `A` of the 64 bytes `tower-multiserver noise client 1` ‖ `h`, where `h` is Noise's
//! handshake hash after both hellos and before the proof. The server must check that `A` is a usable key (canonical, of
//! prime order), that its X25519 form is the static key received, and the signature, strictly: canonical `R` and `S`, none of small order.
//! A shared secret that is zero ends the handshake on either side, before anything more is sent.
//! Then the server decides whether it wants `A`. If it does, the consent says so. In each other case a side that minds
//! something closes the connection and sends nothing: neither a bad hello nor a bad or unwanted proof gets a byte.
//!
//! After `Split()`, each direction is a row of frames. The consent is message 0 of the server's direction.
//!
//! | | bytes | |
//! |---|---|---|
//! | length | 2 | of the message: 17 to 65,533, or 16 for the goodbye. Others are errors as soon as they are read |
//! | message | length | a Noise transport message: text of 1 to 65,517 bytes sealed without associated data, and its tag |
//! | goodbye | 2 + 16 | a frame of no text ends the direction. What follows is no part of it |
//!
//! After each 2²⁰ messages of a direction (those with the nonces 2²⁰ − 1, 2·2²⁰ − 1, …) its key becomes `REKEY(k)`; the
//! nonce goes on. An end of the transport without the goodbye was somebody else's.
//!
//! Whole connections with fixed randomness, with all of the above, are in `tests/vectors/noise-own.json` of this crate.
//! They were computed with Go's `github.com/flynn/noise`, which the tests of the workspace hold against this crate too.
//!
//! # Why so
//!
//! * **XK**: the client knows the key that it dials, so a server proves itself before the client shows who it is; a
//!   stranger learns neither key. **psk0**: the first message shows that its sender knows the network, so a server is
//!   silent to the others. **SHA-256, ChaCha20-Poly1305**: `shs` needs SHA-256 already, and neither needs hardware to be fast
//!   or of constant time.
//! * **The sign of a key.** An X25519 key is that of two Ed25519 keys, `KEY` and its negative. So the prologue holds `KEY`
//!   itself: a server does not answer to its negative, which somebody else could make up to give it a second name. And the
//!   client signs: that its X25519 key is the right one would be as true of the negative of `A`, and of somebody who
//!   has got hold of the X25519 half of an identity alone. Who holds the scalar of a key can compute signatures for
//!   its negative as well, as with every use of Ed25519; no seed of somebody else leads there, and an
//!   [`AllowList`](tower_multiserver_core::AllowList) compares all 32 bytes.
//! * **The consent**: without it a dial would succeed before the server has decided, and a refusal would look like a cut.
//! * **65,535 bytes with the length**: a frame fits in what any Noise message may be, and a whole one must be held before it
//!   can be opened.
//! * **What it does not hide**: who steals the server's key can recognise hellos that are meant for it, and can pass for the
//!   server, but cannot open what was recorded. The lengths of frames are seen by all.
//!
//! Keys of ours are wiped from memory when they are dropped. The state that the crate `snow` keeps during a handshake is
//! freed with it, without being wiped.
//!
//! # Features
//!
//! | feature | meaning |
//! |---|---|
//! | `dryoc` (default) | ChaCha20-Poly1305 by `dryoc`, which is several times as fast as the RustCrypto crate used without it |
//!
//! # Endings
//!
//! | event | what we see or do |
//! |---|---|
//! | `poll_shutdown` | the goodbye goes out; reading goes on. The layer below is shut down at once where it has [`HalfClose`], else when the peer's goodbye has been read too |
//! | the peer's goodbye | all reads report the end; writing goes on. Later bytes are ignored |
//! | end of the transport without it | [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof), whose cause is [`Truncated`](transport::FrameError::Truncated) |
//! | a changed byte | [`InvalidData`](std::io::ErrorKind::InvalidData) for good; what came before is read first |
//! | a length out of bounds | the same, at once; its [`Error`](tower_multiserver_core::Error) is of the kind [`Limit`](tower_multiserver_core::ErrorKind::Limit) |
//! | a write after `poll_shutdown` | [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) |
//! | drop without `poll_shutdown` | no goodbye, so the peer sees a cut |
//!
//! The errors of a read carry an [`Error`](tower_multiserver_core::Error) that says where it happened.
//!
//! [`HalfClose`]: tower_multiserver_core::HalfClose

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

mod cipher;
mod crypto;
pub mod handshake;
mod layer;
#[cfg(any(test, fuzzing))]
#[path = "../../../fuzz/middleman.rs"]
mod middleman;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod resolver;
pub mod transport;
#[cfg(test)]
mod wycheproof;

pub use layer::{Noise, NoiseIo, NoiseLayer};
pub use tower_multiserver_core::KeyArgs as Args;
