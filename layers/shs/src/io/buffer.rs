//! Buffers that a connection holds only while there is something in them.

use std::{cell::RefCell, fmt, ops::Range};

use crate::box_stream::{BODY_MAX, HEADER};

/// One full frame.
pub(super) const FRAME: usize = HEADER + BODY_MAX;

/// Sixteen full frames, which are written or read at once, and a goodbye. More at once gains nothing that can be
/// measured.
pub(super) const BATCH: usize = 16 * FRAME + HEADER;

/// So many unused buffers of either size wait in each thread: enough for the connections that a task polls in turn.
const SPARE_MAX: usize = 4;

thread_local! {
    // A connection takes and gives back its buffers each time that it is polled: without the allocator, since a stream
    // that runs must not allocate, and without keeping them, since most connections wait.
    static SPARE: RefCell<[Vec<Box<[u8]>>; 2]> = const { RefCell::new([const { Vec::new() }; 2]) };
}

/// A part of a stream, in bytes `range` of a spare buffer.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    range: Range<usize>,
}

impl Buffer {
    /// An empty one of [`BATCH`] bytes.
    pub(super) fn batch() -> Self {
        Self::take(BATCH)
    }

    /// An empty one of [`FRAME`] bytes.
    pub(super) fn frame() -> Self {
        Self::take(FRAME)
    }

    /// What is in it.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    /// What is free behind that.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.range.end..]
    }

    /// The first bytes of the room are in it now.
    pub(super) fn fill(&mut self, count: usize) {
        self.range.end = self.bytes.len().min(self.range.end + count);
    }

    /// Puts `bytes` in, as far as there is room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.room();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.fill(count);
    }

    /// The first bytes are done with.
    pub(super) fn consume(&mut self, count: usize) {
        self.range.start = self.range.end.min(self.range.start + count);
    }

    pub(super) fn clear(&mut self) {
        self.range = 0..0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// This or an equal one with room for another read.
    pub(super) fn spacious(mut self) -> Self {
        if self.bytes.len() == BATCH {
            let length = self.range.len();
            self.bytes.copy_within(self.range.clone(), 0);
            self.range = 0..length;
            return self;
        }
        self.moved_to(Self::batch())
    }

    /// This or an equal one that is no larger than a connection which waits may be. What is in it is part of a frame.
    pub(super) fn small(self) -> Option<Self> {
        match self.is_empty() {
            true => None,
            false if self.bytes.len() == FRAME => Some(self),
            false => Some(self.moved_to(Self::frame())),
        }
    }

    fn moved_to(&self, mut other: Self) -> Self {
        other.push(self.filled());
        other
    }

    fn take(size: usize) -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut()[class(size)].pop());
        let bytes = spare.ok().flatten();
        Self {
            bytes: bytes.unwrap_or_else(|| vec![0; size].into()),
            range: 0..0,
        }
    }
}

/// Gives the memory back for the next connection.
impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        // It fails where the thread ends, and then the memory is freed.
        let _ = SPARE.try_with(|spare| {
            let spare = &mut spare.borrow_mut()[class(bytes.len())];
            if spare.len() < SPARE_MAX {
                spare.push(bytes);
            }
        });
    }
}

/// Shows how much is in it.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("range", &self.range)
            .field("size", &self.bytes.len())
            .finish()
    }
}

fn class(size: usize) -> usize {
    usize::from(size == BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_only_a_few_wait_for_it() {
        let first = Buffer::batch();
        let memory = first.bytes.as_ptr();
        drop(first);
        let again = Buffer::batch();
        assert_eq!((again.bytes.as_ptr(), again.filled()), (memory, &[][..]));

        let many: Vec<_> = (0..3 * SPARE_MAX)
            .flat_map(|_| [Buffer::batch(), Buffer::frame()])
            .collect();
        drop(many);
        SPARE.with_borrow(|spare| {
            assert_eq!([SPARE_MAX; 2], spare.each_ref().map(Vec::len));
            assert!(spare[0].iter().all(|bytes| bytes.len() == FRAME));
            assert!(spare[1].iter().all(|bytes| bytes.len() == BATCH));
        });
    }

    #[test]
    fn a_buffer_keeps_what_is_in_it_when_it_moves() {
        let mut buffer = Buffer::batch();
        buffer.push(&[1; 3000]);
        buffer.push(b"the rest");
        buffer.consume(3000);
        let small = buffer.small().unwrap();
        assert_eq!((small.filled(), small.size()), (&b"the rest"[..], FRAME));
        let mut spacious = small.spacious();
        assert_eq!(
            (spacious.filled(), spacious.size()),
            (&b"the rest"[..], BATCH)
        );
        spacious.consume(4);
        let mut spacious = spacious.spacious();
        assert_eq!(spacious.filled(), b"rest");
        assert_eq!(spacious.room().len(), BATCH - 4);
        spacious.consume(100);
        assert!(spacious.small().is_none());
    }
}
