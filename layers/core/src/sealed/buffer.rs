//! Buffers that a connection holds only while there is something in them.

use std::{cell::RefCell, fmt, ops::Range};

/// What a connection may hold that waits in the middle of a short frame: one full frame of a box stream.
pub(super) const SMALL: usize = 4130;

/// Sixteen such frames and a goodbye, which are written or read at once: more at once gains nothing that can be
/// measured. The longest frame of any codec and a goodbye have room in it.
pub(super) const LARGE: usize = 16 * SMALL + 34;

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
    /// An empty one of [`LARGE`] bytes.
    pub(super) fn large() -> Self {
        Self::take(LARGE)
    }

    /// An empty one with room for `length` bytes, of which there are at most [`LARGE`].
    pub(super) fn with_room(length: usize) -> Self {
        match length {
            ..=SMALL => Self::take(SMALL),
            _ => Self::large(),
        }
    }

    /// What is in it.
    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// What is free behind that.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let (_, room) = self.bytes.split_at_mut(self.range.end);
        room
    }

    /// The first bytes of the room are in it now.
    pub(super) fn fill(&mut self, count: usize) {
        self.range.end = self.bytes.len().min(self.range.end.saturating_add(count));
    }

    /// Puts `bytes` in, as far as there is room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.room();
        let count = room.len().min(bytes.len());
        let (room, _) = room.split_at_mut(count);
        room.copy_from_slice(bytes.split_at(count).0);
        self.fill(count);
    }

    /// The first bytes are done with.
    pub(super) fn consume(&mut self, count: usize) {
        self.range.start = self.range.end.min(self.range.start.saturating_add(count));
    }

    pub(super) fn clear(&mut self) {
        self.range = 0..0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The memory that it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// This or an equal one with room for another read.
    pub(super) fn spacious(mut self) -> Self {
        if self.bytes.len() != LARGE {
            return self.moved_to(Self::large());
        }
        if self.range.start > 0 {
            let length = self.range.len();
            self.bytes.copy_within(self.range.clone(), 0);
            self.range = 0..length;
        }
        self
    }

    /// This or an equal one that is as small as what is in it allows, for a connection that waits.
    pub(super) fn small(self) -> Option<Self> {
        match self.range.len() {
            0 => None,
            1..=SMALL if self.bytes.len() == LARGE => Some(self.moved_to(Self::with_room(SMALL))),
            _ => Some(self),
        }
    }

    fn moved_to(&self, mut other: Self) -> Self {
        other.push(self.filled());
        other
    }

    fn take(size: usize) -> Self {
        let spare = SPARE.try_with(|spare| of_size(&mut spare.borrow_mut(), size).pop());
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
            let mut spare = spare.borrow_mut();
            let spare = of_size(&mut spare, bytes.len());
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

fn of_size(spare: &mut [Vec<Box<[u8]>>; 2], size: usize) -> &mut Vec<Box<[u8]>> {
    let [small, large] = spare;
    match size {
        LARGE => large,
        _ => small,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_only_a_few_wait_for_it() {
        let first = Buffer::large();
        let memory = first.bytes.as_ptr();
        drop(first);
        let again = Buffer::large();
        assert_eq!((again.bytes.as_ptr(), again.filled()), (memory, &[][..]));

        let many: Vec<_> = (0..3 * SPARE_MAX)
            .flat_map(|_| [Buffer::large(), Buffer::with_room(1)])
            .collect();
        drop(many);
        SPARE.with_borrow(|spare| {
            assert_eq!([SPARE_MAX; 2], spare.each_ref().map(Vec::len));
            assert!(spare[0].iter().all(|bytes| bytes.len() == SMALL));
            assert!(spare[1].iter().all(|bytes| bytes.len() == LARGE));
        });
    }

    #[test]
    fn a_buffer_keeps_what_is_in_it_when_it_moves() {
        let mut buffer = Buffer::large();
        buffer.push(&[1; 3000]);
        buffer.push(b"the rest");
        buffer.consume(3000);
        let small = buffer.small().unwrap();
        assert_eq!((small.filled(), small.size()), (&b"the rest"[..], SMALL));
        let mut spacious = small.spacious();
        assert_eq!(
            (spacious.filled(), spacious.size()),
            (&b"the rest"[..], LARGE)
        );
        spacious.consume(4);
        let mut spacious = spacious.spacious();
        assert_eq!(spacious.filled(), b"rest");
        assert_eq!(spacious.room().len(), LARGE - 4);
        spacious.consume(100);
        assert!(spacious.small().is_none());

        let mut long = Buffer::large();
        long.push(&[1; SMALL + 1]);
        assert_eq!(long.small().unwrap().size(), LARGE);
    }
}
