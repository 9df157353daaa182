//! deflate as HTTP means it: the zlib format, RFC 1950.

use async_compression::{
    Level,
    codecs::zlib::{ZlibDecoder, ZlibEncoder},
};

use super::{
    Format,
    flate::{Flushing, LEVEL, failure},
};

pub(crate) static FORMAT: Format = Format {
    name: "deflate",
    level: LEVEL,
    encoder: |level| {
        let encoder = ZlibEncoder::new(Level::Precise(level).into());
        Box::new(Flushing::new(encoder))
    },
    decoder: || Box::new(ZlibDecoder::new()),
    has_members: false,
    fits: |_| true,
    is_skippable: |_| false,
    failure,
};
