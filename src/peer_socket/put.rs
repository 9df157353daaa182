//! How what is sent is put where it is written from, so that it is copied once.

use bytes::{Bytes, BytesMut};

/// What can be written where it is sent from.
pub(super) trait Put {
    /// How many bytes it has.
    fn len(&self) -> usize;

    fn put(&self, out: &mut BytesMut);

    fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.len());
        self.put(&mut out);
        out.freeze()
    }
}
