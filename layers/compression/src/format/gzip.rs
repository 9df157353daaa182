//! gzip: RFC 1952.

use async_compression::{
    Level,
    codecs::gzip::{GzipDecoder, GzipEncoder},
};

use super::{
    Format,
    flate::{Flushing, LEVEL, failure},
};

pub(crate) static FORMAT: Format = Format {
    name: "gzip",
    level: LEVEL,
    encoder: |level| {
        let encoder = GzipEncoder::new(Level::Precise(level).into());
        Box::new(Flushing::new(encoder))
    },
    decoder: || Box::new(GzipDecoder::new()),
    has_members: true,
    fits: |_| true,
    is_skippable: |_| false,
    failure,
};
