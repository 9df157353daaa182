//! Which responses are let in.

use std::{collections::BTreeMap, ops::Bound};

use tokio::time::Instant;

use super::{StreamId, frame::RequestId};

/// Which response a request lets in: one, up to a size, before a time.
///
/// It passes by the rates of the stream and its longest message, so that an answer may be larger than what a peer may send
/// unasked. It belongs to the stream on which the request was sent, and goes with it. See
/// [`RequestStream`](super::RequestStream) for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponsePolicy {
    max_len: u32,
    expires: Instant,
}

impl ResponsePolicy {
    /// One response of at most `max_len` bytes, that must arrive before `expires`. A longer one is dropped, and no other is
    /// let in then.
    pub fn once(max_len: u32, expires: Instant) -> Self {
        Self { max_len, expires }
    }
}

/// The requests of one peer that may be answered.
#[derive(Debug, Default)]
pub(super) struct Policies(BTreeMap<RequestId, (StreamId, ResponsePolicy)>);

/// So many of the others are looked at whenever one is added. Twice what comes in, so that the expired cannot pile up.
const CHECKED: usize = 2;

impl Policies {
    /// Lets a response in. `random` chooses which of the others may go, if they have expired.
    pub(super) fn insert(
        &mut self,
        id: RequestId,
        stream: StreamId,
        policy: ResponsePolicy,
        now: Instant,
        mut random: impl FnMut(&mut RequestId),
    ) {
        for _ in 0..CHECKED {
            let mut from = [0; 32];
            random(&mut from);
            let after = self.0.range((Bound::Included(from), Bound::Unbounded));
            let expired = after
                .chain(&self.0)
                .next()
                .filter(|(_, (_, policy))| now >= policy.expires)
                .map(|(id, _)| *id);
            if let Some(expired) = expired {
                self.0.remove(&expired);
            }
        }
        self.0.insert(id, (stream, policy));
    }

    /// Whether this response is let in. Whoever asks for the right stream has used the policy up.
    pub(super) fn admit(
        &mut self,
        id: &RequestId,
        stream: &StreamId,
        len: u32,
        now: Instant,
    ) -> bool {
        match self.0.get(id) {
            Some((of, policy)) if of == stream => {
                let policy = *policy;
                self.0.remove(id);
                len <= policy.max_len && now < policy.expires
            }
            _ => false,
        }
    }

    /// Forgets those of a stream that is closed.
    pub(super) fn forget(&mut self, stream: &StreamId) {
        self.0.retain(|_, (of, _)| of != stream);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const STREAM: StreamId = StreamId::from_bytes([1; 32]);
    const OTHER: StreamId = StreamId::from_bytes([2; 32]);
    const SECOND: Duration = Duration::from_secs(1);

    fn asked(max_len: u32) -> (Policies, Instant) {
        let now = Instant::now();
        let mut policies = Policies::default();
        let policy = ResponsePolicy::once(max_len, now + SECOND);
        policies.insert([7; 32], STREAM, policy, now, |_| ());
        (policies, now)
    }

    #[test]
    fn one_response_is_let_in_on_its_stream() {
        let (mut policies, now) = asked(5);
        assert!(!policies.admit(&[8; 32], &STREAM, 5, now));
        assert!(!policies.admit(&[7; 32], &OTHER, 5, now));
        assert!(policies.admit(&[7; 32], &STREAM, 5, now));
        assert!(!policies.admit(&[7; 32], &STREAM, 5, now));
    }

    #[test]
    fn one_that_is_too_long_uses_the_policy_up() {
        let (mut policies, now) = asked(5);
        assert!(!policies.admit(&[7; 32], &STREAM, 6, now));
        assert!(!policies.admit(&[7; 32], &STREAM, 5, now));
    }

    #[test]
    fn one_that_is_late_is_not_let_in() {
        let (mut policies, now) = asked(5);
        assert!(!policies.admit(&[7; 32], &STREAM, 5, now + SECOND));
    }

    #[test]
    fn those_of_a_closed_stream_are_forgotten() {
        let (mut policies, now) = asked(5);
        policies.forget(&OTHER);
        assert_eq!(policies.0.len(), 1);
        policies.forget(&STREAM);
        assert!(!policies.admit(&[7; 32], &STREAM, 5, now));
    }

    #[test]
    fn the_expired_do_not_pile_up() {
        let now = Instant::now();
        let mut policies = Policies::default();
        let mut random = fastrand::Rng::with_seed(7);
        let mut most = 0;
        for n in 0..20_000_u32 {
            let now = now + Duration::from_millis(u64::from(n));
            // A hundred are alive at a time.
            let policy = ResponsePolicy::once(1, now + Duration::from_millis(100));
            let mut id = [0; 32];
            random.fill(&mut id);
            policies.insert(id, STREAM, policy, now, |id| random.fill(id));
            most = most.max(policies.0.len());
        }
        assert!(most < 1000, "{most}");
    }
}
