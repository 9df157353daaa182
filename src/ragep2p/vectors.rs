//! Who the published vectors are about.

use crate::{Identity, PeerId, Seed};

/// The identity of a seed of one repeated byte.
pub(super) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Seed::from_bytes([seed; 32]))
}

pub(super) fn alice() -> PeerId {
    identity(0x11).public_key().into()
}

pub(super) fn bob() -> PeerId {
    identity(0x22).public_key().into()
}
