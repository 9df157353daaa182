//! Pauses that do not keep in step.

use std::time::Duration;

/// The pause and up to as much again, so that many who began together do not come together.
pub(crate) fn uneven(pause: Duration) -> Duration {
    pause.saturating_add(pause.mul_f64(fastrand::f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_shorter_nor_more_than_twice_as_long() {
        let second = Duration::from_secs(1);
        for _ in 0..1000 {
            assert!((second..=second * 2).contains(&uneven(second)));
        }
    }

    #[test]
    fn the_longest_pause_stays_the_longest() {
        for _ in 0..1000 {
            assert_eq!(uneven(Duration::MAX), Duration::MAX);
        }
    }
}
