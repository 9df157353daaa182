//! What a peer may send over all its streams.

use super::{MAX_NAME_LEN, MAX_STREAMS, RateLimit, frame::HEADER_LEN, limits::ValidLimits};

/// What the bytes of encryption may add, as version 1 of the Go package reckons.
const TLS_FACTOR: f64 = 1.5;

/// All streams are opened and closed once in so many seconds.
const CONTROL_PERIOD: f64 = 600.0;

/// What opening every stream costs, in bytes: a new connection gives so many.
pub(super) const CONNECTION_ALLOWANCE: u32 = (MAX_STREAMS * (HEADER_LEN + MAX_NAME_LEN)) as u32;

/// The limits of all streams of a peer together: per second, and at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Allowed {
    pub(super) messages: (f64, f64),
    pub(super) bytes: (f64, f64),
}

impl Allowed {
    /// Counts a stream in.
    pub(super) fn with(self, limits: &ValidLimits) -> Self {
        let plus = |sum: (f64, f64), limit: RateLimit| {
            (sum.0 + limit.rate, sum.1 + f64::from(limit.capacity))
        };
        Self {
            messages: plus(self.messages, limits.messages),
            bytes: plus(self.bytes, limits.bytes),
        }
    }

    /// The limit of the raw bytes of a connection, encryption included. `None` when it is more than can be counted.
    pub(super) fn raw(&self) -> Option<RateLimit> {
        let header = HEADER_LEN as f64;
        let control = f64::from(CONNECTION_ALLOWANCE);
        let rate = control / CONTROL_PERIOD + self.messages.0 * header + self.bytes.0;
        let capacity = control + self.messages.1 * header + self.bytes.1;
        let (rate, capacity) = (TLS_FACTOR * rate, (TLS_FACTOR * capacity).ceil());
        let is_countable = rate * 1000.0 < u64::MAX as f64 && capacity <= f64::from(u32::MAX);
        is_countable.then_some(RateLimit::new(rate, capacity as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ragep2p::Limits;

    fn raw(messages: RateLimit, bytes: RateLimit) -> Option<RateLimit> {
        let limits = Limits {
            messages,
            bytes,
            ..Limits::default()
        };
        let limits = limits.try_into().expect("they can be");
        Allowed::default().with(&limits).raw()
    }

    #[test]
    fn the_limit_of_raw_bytes_is_that_of_the_go_package() {
        let limit = Allowed::default().raw().unwrap();
        assert_eq!(limit.capacity, 879_000);
        assert!((limit.rate - 1465.0).abs() < 1e-6, "{limit:?}");
        let limit = raw(RateLimit::new(10.0, 20), RateLimit::new(1000.0, 5000)).unwrap();
        assert_eq!(limit.capacity, 879_000 + 1110 + 7500);
        assert!(
            (limit.rate - 1465.0 - 555.0 - 1500.0).abs() < 1e-6,
            "{limit:?}"
        );
    }

    #[test]
    fn more_than_can_be_counted_is_no_limit() {
        let small = RateLimit::new(1.0, 1);
        assert_eq!(raw(small, RateLimit::new(1.0, u32::MAX)), None);
        assert_eq!(raw(small, RateLimit::new(f64::MAX, 1)), None);
        assert_eq!(raw(RateLimit::new(f64::MAX, 1), small), None);
    }
}
