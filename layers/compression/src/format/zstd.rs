//! zstd: RFC 8878, with the window of RFC 9659.

use std::io;

use async_compression::{
    Level,
    codecs::zstd::{ZstdDecoder, ZstdEncoder},
    zstd::{CParameter, DParameter},
};

use crate::CompressionError;

use super::{Encoder, Format, WINDOW_MAX, malformed};

pub(crate) static FORMAT: Format = Format {
    name: "zstd",
    // zstd's own default.
    level: 3,
    encoder,
    decoder: || {
        let window = DParameter::window_log_max(WINDOW_LOG);
        Box::new(ZstdDecoder::new_with_params(&[window]))
    },
    has_members: true,
    fits: |_| true,
    is_skippable: |first| first & 0xf0 == SKIPPABLE,
    failure: |error, _| Some(failure(error)),
};

const WINDOW_LOG: u32 = WINDOW_MAX.ilog2();

/// The first byte of a skippable frame is this to 0x5f (section 3.1.2).
const SKIPPABLE: u8 = 0x50;

/// From this level on the library would take a window that a peer refuses.
const LARGE_WINDOWS: i32 = 20;

fn encoder(level: i32) -> Encoder {
    let level = CParameter::quality(Level::Precise(level));
    let mut parameters = vec![CParameter::checksum_flag(true)];
    if level >= LARGE_WINDOWS {
        parameters.push(CParameter::window_log(WINDOW_LOG));
    }
    Box::new(ZstdEncoder::new_with_params(level, &parameters))
}

/// The library's name of the error is all that comes through.
fn failure(error: &io::Error) -> CompressionError {
    match error.to_string().contains("too much memory") {
        true => CompressionError::Window,
        false => malformed(error),
    }
}
