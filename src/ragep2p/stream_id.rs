//! The name by which the frames of a stream go.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::PeerId;

/// The name by which the frames of a stream go: SHA-256 of the larger public key, the smaller one and the stream's name.
///
/// Both ends compute the same. Another pair of peers has another id for the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamId([u8; 32]);

impl StreamId {
    pub(super) fn new(one: &PeerId, other: &PeerId, name: &str) -> Self {
        Self::of_bytes(one, other, name.as_bytes())
    }

    /// As [`new`](Self::new), of a name that need not be text.
    pub(super) fn of_bytes(one: &PeerId, other: &PeerId, name: &[u8]) -> Self {
        let [one, other] = [one, other].map(|peer| *peer.public_key().as_bytes());
        let hash = Sha256::new()
            .chain_update(one.max(other))
            .chain_update(one.min(other))
            .chain_update(name);
        Self(hash.finalize().into())
    }

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// As hexadecimal digits.
impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ragep2p::vectors::{alice, bob};

    /// Computed by the Go package (smartcontractkit/libocr at 0a5e2f907dda).
    #[test]
    fn both_ends_compute_what_the_go_package_does() {
        for (name, id) in [
            (
                "echo/v1",
                "47dc847fb4fcc17c9a60770afe341e3292ed5b1d68796190f76f0c73066d2378",
            ),
            (
                "ragedisco/v1",
                "f5554a5386b5b0d13004bee518fadbee4215db727840dd5ba2b3f1b15199d0da",
            ),
            (
                "x",
                "a2e4b5a329ed1b9acb7739fb654de3c7fdea88e943e2b7416a350dc4f404b105",
            ),
        ] {
            assert_eq!(format!("{:?}", StreamId::new(&alice(), &bob(), name)), id);
            assert_eq!(format!("{:?}", StreamId::new(&bob(), &alice(), name)), id);
        }
    }
}
