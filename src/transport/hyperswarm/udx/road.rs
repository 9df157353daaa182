//! A network between two ends that is as bad as a test wants it.

use std::time::Duration;

use fastrand::Rng;

/// What happens to packets on their way. Shares are of a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Road {
    /// How long each of them takes, in milliseconds,
    pub(super) delay: u64,
    /// and up to how much longer.
    pub(super) jitter: u64,
    pub(super) lost: u32,
    pub(super) doubled: u32,
    /// Those that overtake all others.
    pub(super) hasty: u32,
    /// Those of which one bit is flipped.
    pub(super) changed: u32,
}

impl Road {
    pub(super) const GOOD: Self = Self {
        delay: 0,
        jitter: 0,
        lost: 0,
        doubled: 0,
        hasty: 0,
        changed: 0,
    };

    /// A long way over several paths, of which one is broken.
    pub(super) const BAD: Self = Self {
        delay: 30,
        jitter: 20,
        lost: 30,
        doubled: 10,
        hasty: 50,
        changed: 0,
    };

    /// What arrives of a packet, and after how long.
    pub(super) fn pass(&self, rng: &mut Rng, packet: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        let mut hit = |share| rng.u32(..1000) < share;
        if hit(self.lost) {
            return Vec::new();
        }
        let copies = 1 + usize::from(hit(self.doubled));
        let is_hasty = hit(self.hasty);
        let is_changed = hit(self.changed);
        let mut packet = packet.to_vec();
        if is_changed && !packet.is_empty() {
            let place = rng.usize(..packet.len());
            packet[place] ^= 1 << rng.u8(..8);
        }
        let mut time = || match is_hasty {
            true => 0,
            false => self.delay + rng.u64(..=self.jitter),
        };
        let time = |_| Duration::from_millis(time());
        (0..copies)
            .map(time)
            .map(|time| (time, packet.clone()))
            .collect()
    }
}
