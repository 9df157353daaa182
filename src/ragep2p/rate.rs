//! How much a peer may send, and the bucket that counts it.

use std::time::Duration;

use tokio::time::Instant;

/// A rate and how much of it may be saved up for a burst, of messages or of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// How much is allowed per second, over a long time.
    pub rate: f64,
    /// How much is allowed at once.
    pub capacity: u32,
}

impl RateLimit {
    /// So much per second, and so much at once.
    pub const fn new(rate: f64, capacity: u32) -> Self {
        Self { rate, capacity }
    }

    /// Whether the rate is a number that is not negative.
    pub(super) fn is_valid(self) -> bool {
        self.rate.is_finite() && self.rate >= 0.0
    }
}

/// A token bucket with the rule of the Go package: **who asks for more than there is loses what there was.**
///
/// So a peer that keeps sending above its rate can be starved altogether; senders must stay below the rate of the
/// receiver. It counts in billionths of a token, so that nothing is rounded away, and time never runs backwards.
///
/// ```
/// use std::time::Duration;
/// use tokio::time::Instant;
/// use tower_multiserver::ragep2p::{RateLimit, TokenBucket};
///
/// let start = Instant::now();
/// let mut bucket = TokenBucket::full(RateLimit::new(10.0, 20), start);
/// assert!(bucket.take(20, start));
/// assert!(bucket.take(1, start + Duration::from_millis(100)));
/// // Half a token is there, and is lost.
/// assert!(!bucket.take(1, start + Duration::from_millis(150)));
/// assert!(!bucket.take(1, start + Duration::from_millis(200)));
/// ```
#[derive(Clone, Debug)]
pub struct TokenBucket {
    millitokens_per_second: u64,
    capacity: u32,
    nanotokens: u64,
    updated: Instant,
}

const NANO: u64 = 1_000_000_000;

impl TokenBucket {
    /// A full one.
    pub fn full(limit: RateLimit, now: Instant) -> Self {
        let mut bucket = Self::empty(now);
        bucket.set(limit, now);
        bucket.nanotokens = bucket.most();
        bucket
    }

    /// An empty one, that fills at no rate and holds nothing.
    pub fn empty(now: Instant) -> Self {
        Self {
            millitokens_per_second: 0,
            capacity: 0,
            nanotokens: 0,
            updated: now,
        }
    }

    /// Takes `tokens` if there are so many; else takes what there is, and says no. None may always be taken.
    pub fn take(&mut self, tokens: u32, now: Instant) -> bool {
        self.update(now);
        let wanted = u64::from(tokens) * NANO;
        let left = self.nanotokens.checked_sub(wanted);
        self.nanotokens = left.unwrap_or_default();
        left.is_some()
    }

    /// Gives some. There may be more than the capacity until time next counts.
    pub fn add(&mut self, tokens: u32) {
        self.nanotokens = self.nanotokens.saturating_add(u64::from(tokens) * NANO);
    }

    /// Changes rate and capacity from now on. What had been saved stays, up to the capacity.
    pub fn set(&mut self, limit: RateLimit, now: Instant) {
        self.update(now);
        // Rounded up, as the Go package does. A cast from a float saturates.
        self.millitokens_per_second = (limit.rate * 1000.0).ceil() as u64;
        self.capacity = limit.capacity;
    }

    fn update(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.updated);
        // In whole microseconds; what is left of one counts the next time.
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let updated = self.updated.checked_add(Duration::from_micros(micros));
        self.updated = updated.unwrap_or(now);
        // A thousandth of a token per second is a billionth per microsecond.
        let more = micros.saturating_mul(self.millitokens_per_second);
        self.nanotokens = self.nanotokens.saturating_add(more).min(self.most());
    }

    fn most(&self) -> u64 {
        u64::from(self.capacity) * NANO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, micros: u64) -> Instant {
        start + Duration::from_micros(micros)
    }

    #[test]
    fn a_burst_passes_up_to_the_capacity() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RateLimit::new(10.0, 20), start);
        let passed = (0..100).filter(|_| bucket.take(1, start)).count();
        assert_eq!(passed, 20);
    }

    #[test]
    fn a_refusal_empties_it_so_that_twice_the_rate_starves() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RateLimit::new(10.0, 1), start);
        assert!(bucket.take(1, start));
        for n in 1..1000 {
            assert!(!bucket.take(1, after(start, n * 50_000)), "{n}");
        }
        // Below the rate it passes again.
        assert!(bucket.take(1, after(start, 999 * 50_000 + 100_000)));
    }

    #[test]
    fn nothing_is_lost_to_rounding() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RateLimit::new(1.0, 1), start);
        assert!(bucket.take(1, start));
        // A third of a microsecond at a time.
        for n in 0..3_000_000 {
            bucket.take(0, start + Duration::from_nanos(n * 1_000 / 3));
        }
        assert!(bucket.take(1, after(start, 1_000_000)));
    }

    #[test]
    fn rates_are_rounded_up_to_a_thousandth() {
        let start = Instant::now();
        let mut bucket = TokenBucket::empty(start);
        bucket.set(RateLimit::new(0.0001, 1), start);
        assert!(!bucket.take(1, after(start, 999_000_000)));
        assert!(bucket.take(1, after(start, 1_999_000_000)));
    }

    #[test]
    fn a_change_counts_the_time_before_at_the_old_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::empty(start);
        bucket.set(RateLimit::new(1.0, 100), start);
        bucket.set(RateLimit::new(1000.0, 100), after(start, 5_000_000));
        assert!(bucket.clone().take(5, after(start, 5_000_000)));
        assert!(!bucket.take(6, after(start, 5_000_000)));
    }

    #[test]
    fn what_is_given_may_exceed_the_capacity_until_time_counts() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RateLimit::new(0.0, 1), start);
        bucket.add(5);
        assert!(!bucket.clone().take(6, start));
        assert!(bucket.take(0, start));
        assert!(!bucket.take(2, start));
    }

    #[test]
    fn time_that_runs_backwards_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = TokenBucket::full(RateLimit::new(1.0, 5), start);
        assert!(bucket.take(5, start));
        let before = start.checked_sub(Duration::from_secs(5)).unwrap();
        assert!(!bucket.take(1, before));
        assert!(!bucket.take(1, after(start, 999_999)));
    }

    #[test]
    fn no_number_overflows() {
        let start = Instant::now();
        let most = RateLimit::new(f64::MAX, u32::MAX);
        let mut bucket = TokenBucket::full(most, start);
        bucket.add(u32::MAX);
        bucket.add(u32::MAX);
        bucket.add(u32::MAX);
        bucket.add(u32::MAX);
        bucket.add(u32::MAX);
        let century = start + Duration::from_secs(3_000_000_000);
        assert!(bucket.take(u32::MAX, century));
        assert!(bucket.take(u32::MAX, century + Duration::from_secs(1)));
        assert!(!RateLimit::new(f64::NAN, 1).is_valid());
        assert!(!RateLimit::new(-0.1, 1).is_valid());
        assert!(!RateLimit::new(f64::INFINITY, 1).is_valid());
    }
}
