//! Bodies of fuzz targets: whatever a peer sends comes to an end, and to no more than was allowed.

use arbitrary::{Result, Unstructured};

use crate::{
    CompressionError,
    decompressor::{Decompressor, Next},
    format::{self, Format},
    limits::Limits,
};

/// More than any file of a corpus needs, and read in a moment.
const MAX: u64 = 64 << 10;

/// A stream of `gzip`.
#[cfg(feature = "gzip")]
pub fn gzip(data: &[u8]) {
    let _ = stream(&format::gzip::FORMAT, &mut Unstructured::new(data));
}

/// A stream of `zstd`.
#[cfg(feature = "zstd")]
pub fn zstd(data: &[u8]) {
    let _ = stream(&format::zstd::FORMAT, &mut Unstructured::new(data));
}

/// A stream of `deflate`.
#[cfg(feature = "deflate")]
pub fn deflate(data: &[u8]) {
    let _ = stream(&format::deflate::FORMAT, &mut Unstructured::new(data));
}

/// A stream of `br`.
#[cfg(feature = "brotli")]
pub fn brotli(data: &[u8]) {
    let _ = stream(&format::brotli::FORMAT, &mut Unstructured::new(data));
}

fn stream(format: &'static Format, u: &mut Unstructured<'_>) -> Result<()> {
    let limits = Limits {
        bytes: Some(u64::from(u.arbitrary::<u32>()?).min(MAX)),
        ratio: u.arbitrary::<Option<u8>>()?.map(u32::from),
    };
    let (may_go_on, output) = (
        u.arbitrary()?,
        1 + usize::from(u.arbitrary::<u16>()? % 5000),
    );
    let input = 1 + usize::from(u.arbitrary::<u8>()?);
    let decompressor = || Decompressor::new(format, limits, may_go_on);
    let bytes = u.bytes(u.len())?;

    let (whole, end) = read(decompressor(), bytes, bytes.len(), 65_536);
    assert!(whole.len() as u64 <= limits.bytes.unwrap_or(MAX));
    let (pieces, in_pieces) = read(decompressor(), bytes, input, output);
    // The library of zstd compares an empty frame with the size that it declares only where the frame is there as a whole.
    let agree = format.name == "zstd" || end.is_ok() == in_pieces.is_ok();
    assert!(agree, "{end:?}, in pieces {in_pieces:?}");
    // A decoder may keep back the last of what it could give before an error.
    match end {
        Ok(()) => assert!(whole == pieces),
        Err(_) => assert!(whole.starts_with(&pieces) || pieces.starts_with(&whole)),
    }
    Ok(())
}

/// All that comes out of `bytes`, fed `input` at a time, by `output` bytes at once, and how it ends.
fn read(
    mut decompressor: Decompressor,
    bytes: &[u8],
    input: usize,
    output: usize,
) -> (Vec<u8>, std::result::Result<(), CompressionError>) {
    let (mut all, mut out) = (Vec::new(), vec![0; output]);
    let (mut at, mut there) = (0, 0);
    loop {
        let decoded = match decompressor.decode(&bytes[at..there], &mut out) {
            Ok(decoded) => decoded,
            Err(error) => return (all, Err(error)),
        };
        at += decoded.read;
        all.extend_from_slice(&out[..decoded.written]);
        match decoded.next {
            Next::Call => {}
            Next::Nothing => return (all, Ok(())),
            Next::Input if there == bytes.len() => decompressor.end(),
            Next::Input => there = bytes.len().min(there + input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        #[cfg(feature = "gzip")]
        replay("gzip", gzip);
        #[cfg(feature = "zstd")]
        replay("zstd", zstd);
        #[cfg(feature = "deflate")]
        replay("deflate", deflate);
        #[cfg(feature = "brotli")]
        replay("brotli", brotli);
    }
}
