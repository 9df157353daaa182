//! Logging what a peer can repeat as often as it likes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, and says at each power of two that it is time to log.
#[derive(Debug, Default)]
pub(super) struct Taper(AtomicU64);

impl Taper {
    /// The count, when it is the first, second, fourth, eighth and so on.
    pub(super) fn tick(&self) -> Option<u64> {
        let count = self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        count.is_power_of_two().then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_at_powers_of_two() {
        let taper = Taper::default();
        let logged: Vec<_> = (0..1000).filter_map(|_| taper.tick()).collect();
        assert_eq!(logged, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    }
}
