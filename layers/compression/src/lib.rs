//! Compressed streams as transforms of `tower-multiserver`: the sections `gzip`, `zstd`, `deflate` and `br`.
//!
//! Each direction of a connection is one compressed stream. There is no handshake: a peer must know what it dials, and the
//! names are those of the content codings of HTTP.
//!
//! | section | layer | format | window of the peer | checksum |
//! |---|---|---|---|---|
//! | `gzip` | [`gzip()`](CompressionLayer::gzip) | [RFC 1952] | 32 KiB | CRC-32 |
//! | `zstd` | [`zstd()`](CompressionLayer::zstd) | [RFC 8878], [RFC 9659] | up to 8 MiB | XXH64, which we always send |
//! | `deflate` | [`deflate()`](CompressionLayer::deflate) | [RFC 1950] (zlib), as in HTTP | 32 KiB | Adler-32 |
//! | `br` | [`brotli()`](CompressionLayer::brotli) | [RFC 7932] | up to 4 MiB | none |
//!
//! [RFC 1950]: https://www.rfc-editor.org/rfc/rfc1950
//! [RFC 1952]: https://www.rfc-editor.org/rfc/rfc1952
//! [RFC 7932]: https://www.rfc-editor.org/rfc/rfc7932
//! [RFC 8878]: https://www.rfc-editor.org/rfc/rfc8878
//! [RFC 9659]: https://www.rfc-editor.org/rfc/rfc9659
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "gzip")] {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver_compression::CompressionLayer;
//! use tower_multiserver_core::{Connection, Role, Section, Transform};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = CompressionLayer::gzip().level(9).max_bytes(1 << 30);
//!
//! let (near, far) = tokio::io::duplex(4096);
//! let [near, far] = [near, far].map(|io| Connection::new(io, Section::new("pipe")));
//! let (mut dialed, mut accepted) = tokio::try_join!(
//!     layer.clone().upgrade(near, Role::Dial(())),
//!     layer.upgrade(far, Role::Accept),
//! )?;
//!
//! dialed.write_all(&[b'x'; 1_000_000]).await?; // About a thousand bytes in the pipe.
//! dialed.shutdown().await?;
//! let mut heard = Vec::new();
//! accepted.read_to_end(&mut heard).await?;
//! assert_eq!(heard.len(), 1_000_000);
//! assert_eq!(accepted.info().address().to_string(), "pipe~gzip");
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! # Compression and encryption
//!
//! Compress inside, encrypt outside: `net:HOST:PORT~shs:KEY~gzip`. The other way round, `net:HOST:PORT~gzip~shs:KEY`, there
//! is nothing left that could become smaller.
//!
//! But what is compressed tells by its length what is in it, and no encryption hides that. Who can put text of his choice
//! into a stream that also carries a secret, and watch how long it gets, finds the secret out piece by piece: a guess that
//! repeats it is shorter than one that does not ([CRIME], and BREACH after it). **So lay this under no connection on which a
//! secret (a password, a token, a cookie) travels in one direction with what somebody else may choose**: not under a proxy
//! or a web application for many users; a log, a backup or a feed is fine. A flush between the two does not help, since the
//! window goes across it. For that reason nothing here is compressed unless the address and the stack say so.
//!
//! [CRIME]: https://datatracker.ietf.org/doc/html/rfc7457#section-2.6
//!
//! # Flushing
//!
//! A compressor collects what it is given. What was written goes out at a flush, when there is enough of it, and when this
//! side waits in a read, so that a protocol of questions and answers does not stall even where it never flushes. Who only
//! writes must flush. Each flush costs some bytes.
//!
//! # What a peer can do
//!
//! Nothing is decoded before somebody reads, and never more than fits into the buffer of that read: a bomb costs what is
//! read of it. An application that collects what it reads needs a limit of its own, as with every other connection;
//! [`max_bytes`](CompressionLayer::max_bytes) and [`max_ratio`](CompressionLayer::max_ratio) are there for that.
//!
//! | | bound |
//! |---|---|
//! | memory of the window | [`WINDOW_MAX`], 8 MiB; a stream that asks for more fails at its first bytes |
//! | memory beside it | less than 1 MiB, our own buffers of 32 KiB in all included; as measured, a bomb took 8.6 MiB in zstd, 7.2 MiB in Brotli, under 0.2 MiB in the others |
//! | bytes that bring nothing | [`EMPTY_MAX`], 256 KiB in a row: long headers, empty members, empty blocks, skippable frames |
//! | a connection that says nothing | no compressor and no decoder, they come with the first byte of their direction |
//!
//! What goes beyond is an [`InvalidData`](std::io::ErrorKind::InvalidData) whose source is an
//! [`Error`](tower_multiserver_core::Error) of kind `Limit` with its place, and its source a [`CompressionError`].
//!
//! Our own compressor takes memory too: with the levels that are set by default a few MiB at most.
//!
//! # Endings
//!
//! | event | what we see or do |
//! |---|---|
//! | `poll_shutdown` | the end of the stream goes out; reading goes on. The layer below is shut down at once where it has [`HalfClose`], else when the peer's end has been read too |
//! | the peer's end | all reads report the end; writing goes on |
//! | end of the transport without it | [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof), whose source is [`CompressionError::Truncated`] |
//! | what is not in the format, or has another checksum | [`InvalidData`](std::io::ErrorKind::InvalidData) for good, whose source is [`CompressionError::Malformed`]; some of what came right before it may be lost |
//! | a write after `poll_shutdown` | [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) |
//! | drop without `poll_shutdown` | no end, so the peer sees a cut |
//!
//! We write one member of gzip, or one frame of zstd. A peer may write several, even empty ones, and we read them as one
//! stream, as their formats say: the stream ends where the transport ends behind a whole member. Where the transport cannot
//! end one direction, as bare `ws` cannot, the first member's end is that of the stream, and so it is with `deflate` and
//! `br` everywhere. What comes behind the end is ignored.
//!
//! Checksums find accidents and no attackers: only a layer such as shs keeps somebody on the way from changing or ending a
//! stream.
//!
//! [`HalfClose`]: tower_multiserver_core::HalfClose
//!
//! # Features
//!
//! | feature | meaning |
//! |---|---|
//! | `gzip` (default) | [`CompressionLayer::gzip`] |
//! | `zstd` (default) | [`CompressionLayer::zstd`]; compiles the library in C |
//! | `deflate` | [`CompressionLayer::deflate`] |
//! | `brotli` | [`CompressionLayer::brotli`] |

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

mod compressor;
mod decompressor;
mod error;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod io;
mod layer;
mod limits;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

pub use decompressor::EMPTY_MAX;
pub use error::CompressionError;
pub use format::WINDOW_MAX;
pub use io::CompressionIo;
pub use layer::{Compression, CompressionLayer};
pub use limits::RATIO_GRACE;
