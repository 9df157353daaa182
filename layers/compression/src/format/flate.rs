//! What gzip and deflate share.

use std::io;

use async_compression::{
    codecs::EncodeV2,
    core::util::{PartialBuffer, WriteBuffer},
};

use crate::CompressionError;

use super::malformed;

/// zlib's own default.
pub(super) const LEVEL: i32 = 6;

/// A compressor whose flush gives all.
///
/// That of the library takes for the flush what is only the rest of a block that did not fit before, and holds back what
/// was written since. So here that rest goes first.
pub(super) struct Flushing<E> {
    encoder: E,
    is_flushing: bool,
}

impl<E> Flushing<E> {
    pub(super) fn new(encoder: E) -> Self {
        Self {
            encoder,
            is_flushing: false,
        }
    }
}

impl<E: EncodeV2> EncodeV2 for Flushing<E> {
    fn encode(
        &mut self,
        input: &mut PartialBuffer<&[u8]>,
        output: &mut WriteBuffer<'_>,
    ) -> io::Result<()> {
        self.encoder.encode(input, output)
    }

    fn flush(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        while !self.is_flushing {
            let before = output.written_len();
            // An error says that there is no such rest.
            let _ = self.encoder.encode(&mut PartialBuffer::new(&[]), output);
            if output.has_no_spare_space() {
                return Ok(false);
            }
            self.is_flushing = output.written_len() == before;
        }
        self.is_flushing = !self.encoder.flush(output)?;
        Ok(!self.is_flushing)
    }

    fn finish(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        self.encoder.finish(output)
    }
}

/// The decoder calls it an error, of kind `Other`, to be asked for more output when it has none left.
pub(super) fn failure(error: &io::Error, has_input: bool) -> Option<CompressionError> {
    let is_drained = !has_input && error.kind() == io::ErrorKind::Other;
    (!is_drained).then(|| malformed(error))
}
