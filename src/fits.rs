//! As much of some bytes as there is room for.

use tokio::io::ReadBuf;

/// The first `max` of the bytes, or all where there are fewer.
pub(crate) fn at_most(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

/// Reads as much of the bytes as `buf` has room for; returns how much that is.
pub(crate) fn read_into(buf: &mut ReadBuf<'_>, bytes: &[u8]) -> usize {
    let bytes = at_most(bytes, buf.remaining());
    buf.put_slice(bytes);
    bytes.len()
}
