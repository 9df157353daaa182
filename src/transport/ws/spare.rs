//! Buffers that wait for the next connection that has something to read or to write.

use std::cell::RefCell;

use bytes::BytesMut;

/// What a connection may hold that waits in the middle of a header.
pub(super) const SMALL: usize = 1024;

/// A message of the longest that we send, and a pong behind it.
const LARGE: usize = 64 * 1024 + 256;

/// So many buffers of either size wait in each thread: enough for the connections that a task polls in turn.
const SPARE_MAX: usize = 4;

thread_local! {
    // A connection takes and gives back its buffers as it runs: without the allocator, since a stream that runs must not
    // allocate, and without keeping them, since most connections wait.
    static SPARE: RefCell<[Vec<BytesMut>; 2]> = const { RefCell::new([const { Vec::new() }; 2]) };
}

/// An empty buffer with room for `size` bytes.
pub(super) fn take(size: usize) -> BytesMut {
    let spare = SPARE.try_with(|spare| of_size(&mut spare.borrow_mut(), size > SMALL).pop());
    let mut buffer = spare.ok().flatten().unwrap_or_else(|| match size {
        ..=SMALL => BytesMut::with_capacity(SMALL),
        _ => BytesMut::with_capacity(LARGE),
    });
    buffer.reserve(size);
    buffer
}

/// Empties `buffer` and keeps its memory for the next.
pub(super) fn give(buffer: &mut BytesMut) {
    let mut buffer = std::mem::take(buffer);
    buffer.clear();
    // What was taken off its front is memory too. Without any there is nothing to keep, nor what has grown beyond a message.
    let is_large = buffer.try_reclaim(LARGE);
    if !is_large && !buffer.try_reclaim(SMALL) || buffer.capacity() > 2 * LARGE {
        return;
    }
    // It fails where the thread ends, and then the memory is freed.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let spare = of_size(&mut spare, is_large);
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
    });
}

fn of_size(spare: &mut [Vec<BytesMut>; 2], is_large: bool) -> &mut Vec<BytesMut> {
    let [small, large] = spare;
    if is_large { large } else { small }
}

/// Makes `buffer`, which has at most [`SMALL`] bytes in it, as small as that allows, for a connection that waits.
pub(super) fn settle(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        return give(buffer);
    }
    let mut small = take(SMALL);
    small.extend_from_slice(buffer);
    give(buffer);
    *buffer = small;
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_only_a_few_wait_for_it() {
        let mut first = take(LARGE);
        first.extend_from_slice(&[7; 1000]);
        let memory = first.as_ptr();
        first.advance(1000);
        give(&mut first);
        assert_eq!(first.capacity(), 0);
        let again = take(SMALL + 1);
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));

        let mut many: Vec<_> = (0..3 * SPARE_MAX)
            .flat_map(|_| [take(1), take(LARGE)])
            .collect();
        many.iter_mut().for_each(give);
        for useless in [1, 3 * LARGE] {
            give(&mut BytesMut::with_capacity(useless));
        }
        SPARE.with_borrow(|[small, large]| {
            assert_eq!((small.len(), large.len()), (SPARE_MAX, SPARE_MAX));
            assert!(small.iter().all(|buffer| buffer.capacity() == SMALL));
            assert!(large.iter().all(|buffer| buffer.capacity() == LARGE));
        });
    }

    #[test]
    fn what_waits_keeps_what_is_in_it_in_a_small_buffer() {
        let mut buffer = take(LARGE);
        buffer.extend_from_slice(&[7; 5000]);
        buffer.advance(4990);
        settle(&mut buffer);
        assert_eq!((&buffer[..], buffer.capacity()), (&[7; 10][..], SMALL));
        buffer.clear();
        settle(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
    }
}
