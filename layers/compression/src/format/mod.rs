//! The formats, and what differs between them.

use std::{fmt, io};

use async_compression::codecs::{DecodeV2, EncodeV2};

use crate::CompressionError;

#[cfg(feature = "brotli")]
pub(crate) mod brotli;
#[cfg(feature = "deflate")]
pub(crate) mod deflate;
#[cfg(any(feature = "gzip", feature = "deflate"))]
mod flate;
#[cfg(feature = "gzip")]
pub(crate) mod gzip;
#[cfg(feature = "zstd")]
pub(crate) mod zstd;

/// So much memory may a peer make us hold for the window of its stream: 8 MiB, which is what RFC 9659 allows to zstd in
/// HTTP. The decoder of Brotli takes nearly twice its window, so that there a window may be 4 MiB; that of gzip and deflate
/// is never larger than 32 KiB.
pub const WINDOW_MAX: usize = 1 << 23;

pub(crate) type Encoder = Box<dyn EncodeV2 + Send + Sync>;
pub(crate) type Decoder = Box<dyn DecodeV2 + Send + Sync>;

/// A format of compressed streams.
pub(crate) struct Format {
    /// The name of its section: that of the HTTP content coding.
    pub(crate) name: &'static str,
    /// The level where none is set.
    pub(crate) level: i32,
    /// A compressor at that level, or the nearest one that there is.
    pub(crate) encoder: fn(level: i32) -> Encoder,
    pub(crate) decoder: fn() -> Decoder,
    /// Whether a stream may go on behind the end of a member.
    pub(crate) has_members: bool,
    /// Whether the window is small enough, as far as the first byte of a member tells and the decoder does not check.
    pub(crate) fits: fn(first: u8) -> bool,
    /// Whether a member with that first byte holds no content by its nature.
    pub(crate) is_skippable: fn(first: u8) -> bool,
    /// What an error of the decoder means; `None`: that it needs more input than the none that it was given.
    pub(crate) failure: fn(error: &io::Error, has_input: bool) -> Option<CompressionError>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What most errors of a decoder mean.
pub(crate) fn malformed(error: &io::Error) -> CompressionError {
    CompressionError::Malformed(error.to_string())
}

/// All that this crate was built with.
#[cfg(test)]
pub(crate) static ALL: &[&Format] = &[
    #[cfg(feature = "gzip")]
    &gzip::FORMAT,
    #[cfg(feature = "zstd")]
    &zstd::FORMAT,
    #[cfg(feature = "deflate")]
    &deflate::FORMAT,
    #[cfg(feature = "brotli")]
    &brotli::FORMAT,
];
