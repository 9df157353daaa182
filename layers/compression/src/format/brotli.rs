//! Brotli: RFC 7932.

use async_compression::{
    Level,
    brotli::EncoderParams,
    codecs::brotli::{BrotliDecoder, BrotliEncoder},
};

use super::{Encoder, Format, malformed};

pub(crate) static FORMAT: Format = Format {
    name: "br",
    // Brotli's own default, the highest, is made for files: hundreds of times as slow as this.
    level: 5,
    encoder,
    decoder: || Box::new(BrotliDecoder::new()),
    has_members: false,
    fits,
    is_skippable: |_| false,
    failure: |error, _| Some(malformed(error)),
};

/// A window of 4 MiB, the usual one.
const WINDOW_LOG: i32 = 22;

fn encoder(level: i32) -> Encoder {
    let parameters = EncoderParams::default()
        .quality(Level::Precise(level))
        .window_size(WINDOW_LOG);
    Box::new(BrotliEncoder::new(parameters))
}

/// The decoder takes windows of 16 MiB, and by an extension of the format up to 1 GiB; and while its buffer grows to the
/// size of the window it holds nearly twice as much. So 4 MiB is the most that fits.
///
/// Of `WBITS` (section 9.1) these are the values 23 and 24, and the reserved one.
fn fits(first: u8) -> bool {
    first & 0x0d != 0x0d && first & 0x7f != 0x11
}
