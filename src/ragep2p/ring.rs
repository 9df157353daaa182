//! A bounded queue that makes room by dropping the oldest.

use std::{collections::VecDeque, num::NonZeroUsize};

/// A bounded queue. When it is full, the oldest goes for the newest.
#[derive(Debug)]
pub(super) struct Ring<T> {
    items: VecDeque<T>,
    capacity: NonZeroUsize,
}

impl<T> Ring<T> {
    /// An empty one. It takes memory as it fills.
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            items: VecDeque::new(),
            capacity,
        }
    }

    /// Puts one in; the oldest comes out where there was no room.
    pub(super) fn push(&mut self, item: T) -> Option<T> {
        let evicted = match self.is_full() {
            true => self.items.pop_front(),
            false => None,
        };
        self.items.push_back(item);
        evicted
    }

    /// Takes the oldest out.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.capacity.get()
    }

    /// Changes how many there may be. The oldest go where there are more.
    pub(super) fn resize(&mut self, capacity: NonZeroUsize) {
        self.capacity = capacity;
        let excess = self.items.len().saturating_sub(capacity.get());
        self.items.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(capacity: usize, items: impl IntoIterator<Item = u32>) -> Ring<u32> {
        let mut ring = Ring::new(NonZeroUsize::new(capacity).unwrap());
        for item in items {
            ring.push(item);
        }
        ring
    }

    fn rest(mut ring: Ring<u32>) -> Vec<u32> {
        std::iter::from_fn(|| ring.pop()).collect()
    }

    #[test]
    fn the_newest_survive_in_their_order() {
        assert_eq!(rest(ring(4, 0..20)), [16, 17, 18, 19]);
        let mut full = ring(1, [1]);
        assert_eq!(full.push(2), Some(1));
    }

    #[test]
    fn a_smaller_one_keeps_the_newest() {
        let mut ring = ring(5, 0..5);
        ring.resize(NonZeroUsize::new(2).unwrap());
        assert!(ring.is_full());
        assert_eq!(rest(ring), [3, 4]);
    }
}
