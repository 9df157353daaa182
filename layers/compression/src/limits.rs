//! What may come out of a stream.

use crate::CompressionError;

/// So many bytes may come out of a stream before their ratio to what went in is looked at: text that begins with a long
/// run is no bomb yet.
pub const RATIO_GRACE: u64 = 1 << 20;

/// What an application sets; nothing is limited unless it does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) bytes: Option<u64>,
    pub(crate) ratio: Option<u32>,
}

impl Limits {
    /// How many bytes more may come out, when `read` have gone in and `written` come out; or why none may.
    pub(crate) fn room(self, read: u64, written: u64) -> Result<u64, CompressionError> {
        let by_bytes = self.bytes.unwrap_or(u64::MAX).saturating_sub(written);
        let by_ratio = self.ratio.map_or(u64::MAX, |ratio| {
            let allowed = read.saturating_mul(ratio.into()).max(RATIO_GRACE);
            allowed.saturating_sub(written)
        });
        match (by_bytes, by_ratio) {
            (0, _) => Err(CompressionError::Bytes(written)),
            (_, 0) => Err(CompressionError::Ratio(self.ratio.unwrap_or_default())),
            (by_bytes, by_ratio) => Ok(by_bytes.min(by_ratio)),
        }
    }
}
