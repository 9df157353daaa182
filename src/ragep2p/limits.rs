//! What a stream takes and keeps.

use std::{error, fmt, num::NonZeroUsize};

use super::{MAX_MESSAGE_LEN, RateLimit};

/// What a stream takes from the peer, and how much of it waits in memory.
///
/// Rates, [`max_message`](Self::max_message) and [`incoming`](Self::incoming) bound what we accept. A peer that sends more
/// loses messages, see [`TokenBucket`](super::TokenBucket) for how many; so it must know them, and stay below. To a host of
/// [`Version::V1`](super::Version::V1) a message that is too long, or far too many bytes, is the end of the connection: both
/// ends should have the same limits.
///
/// ```
/// use tower_multiserver::ragep2p::{Limits, RateLimit};
///
/// // A message of at most 1 KiB every ten seconds, and five that have been saved up. Only the newest counts.
/// let prices = Limits {
///     outgoing: 1,
///     incoming: 1,
///     max_message: 1 << 10,
///     messages: RateLimit::new(0.1, 5),
///     bytes: RateLimit::new(0.1 * 1024.0, 5 << 10),
/// };
/// # let _ = prices;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How many messages wait to be sent. A further one takes the place of the oldest.
    pub outgoing: usize,
    /// How many received messages wait to be read. A further one takes the place of the oldest.
    pub incoming: usize,
    /// The longest message, sent or received, in bytes. At most [`MAX_MESSAGE_LEN`].
    pub max_message: usize,
    /// How many messages the peer may send.
    pub messages: RateLimit,
    /// How many bytes the messages of the peer may have. A message that is longer than the capacity never gets through.
    pub bytes: RateLimit,
}

impl Default for Limits {
    /// 32 messages wait in each direction. A message has at most 64 KiB. The peer may send 100 messages per second and 200
    /// at once, and 1 MiB per second and 2 MiB at once.
    fn default() -> Self {
        Self {
            outgoing: 32,
            incoming: 32,
            max_message: 64 << 10,
            messages: RateLimit::new(100.0, 200),
            bytes: RateLimit::new(1_048_576.0, 2 << 20),
        }
    }
}

/// Why limits cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidLimits {
    /// There is no room for a message that waits to be sent.
    NoOutgoing,
    /// There is no room for a message that waits to be read.
    NoIncoming,
    /// A message may be longer than [`MAX_MESSAGE_LEN`].
    MaxMessage,
    /// A rate is negative, infinite or not a number.
    Rate,
}

impl fmt::Display for InvalidLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOutgoing => f.write_str("no message could wait to be sent"),
            Self::NoIncoming => f.write_str("no message could wait to be read"),
            Self::MaxMessage => write!(f, "a message has at most {MAX_MESSAGE_LEN} bytes"),
            Self::Rate => f.write_str("a rate is a number that is not negative"),
        }
    }
}

impl error::Error for InvalidLimits {}

/// Limits that can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValidLimits {
    pub(super) outgoing: NonZeroUsize,
    pub(super) incoming: NonZeroUsize,
    pub(super) max_message: usize,
    pub(super) messages: RateLimit,
    pub(super) bytes: RateLimit,
}

impl TryFrom<Limits> for ValidLimits {
    type Error = InvalidLimits;

    fn try_from(limits: Limits) -> Result<Self, InvalidLimits> {
        if limits.max_message > MAX_MESSAGE_LEN {
            return Err(InvalidLimits::MaxMessage);
        }
        if !(limits.messages.is_valid() && limits.bytes.is_valid()) {
            return Err(InvalidLimits::Rate);
        }
        Ok(Self {
            outgoing: NonZeroUsize::new(limits.outgoing).ok_or(InvalidLimits::NoOutgoing)?,
            incoming: NonZeroUsize::new(limits.incoming).ok_or(InvalidLimits::NoIncoming)?,
            max_message: limits.max_message,
            messages: limits.messages,
            bytes: limits.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_an_error_that_says_why() {
        let valid = Limits::default();
        assert!(ValidLimits::try_from(valid).is_ok());
        let rate = |rate| RateLimit::new(rate, 1);
        for (limits, why) in [
            (
                Limits {
                    outgoing: 0,
                    ..valid
                },
                InvalidLimits::NoOutgoing,
            ),
            (
                Limits {
                    incoming: 0,
                    ..valid
                },
                InvalidLimits::NoIncoming,
            ),
            (
                Limits {
                    max_message: MAX_MESSAGE_LEN + 1,
                    ..valid
                },
                InvalidLimits::MaxMessage,
            ),
            (
                Limits {
                    messages: rate(-1.0),
                    ..valid
                },
                InvalidLimits::Rate,
            ),
            (
                Limits {
                    bytes: rate(f64::NAN),
                    ..valid
                },
                InvalidLimits::Rate,
            ),
            (
                Limits {
                    bytes: rate(f64::INFINITY),
                    ..valid
                },
                InvalidLimits::Rate,
            ),
        ] {
            assert_eq!(ValidLimits::try_from(limits).unwrap_err(), why);
        }
        // The longest that the wire has.
        assert!(
            ValidLimits::try_from(Limits {
                max_message: MAX_MESSAGE_LEN,
                ..valid
            })
            .is_ok()
        );
    }
}
