//! The key and the counting nonce of one direction.

use std::fmt;

use zeroize::Zeroizing;

use crate::secretbox::{self, Nonce, Tag};

/// The key of one direction, with the nonce of its next box. Wiped from memory when dropped.
///
/// It is not `Clone`: two users of one key would use a nonce twice.
pub struct BoxKey {
    // Boxed, so that moving it leaves no copies behind.
    key: Box<Zeroizing<secretbox::Key>>,
    nonce: Nonce,
}

impl BoxKey {
    /// A direction with this key, whose first box has this nonce.
    pub fn new(key: &[u8; 32], nonce: [u8; 24]) -> Self {
        let mut boxed = Box::new(Zeroizing::new([0; 32]));
        boxed.copy_from_slice(key);
        Self { key: boxed, nonce }
    }

    /// The key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The nonce of the next box.
    pub fn nonce(&self) -> &[u8; 24] {
        &self.nonce
    }

    /// Seals with the nonce `ahead` of the next one.
    pub(super) fn seal(&self, ahead: u8, text: &[u8], sealed: &mut [u8]) -> Tag {
        secretbox::seal(&self.key, &plus(self.nonce, ahead), text, sealed)
    }

    #[must_use]
    pub(super) fn open(&self, tag: &Tag, sealed: &[u8], text: &mut [u8]) -> bool {
        secretbox::open(&self.key, &self.nonce, tag, sealed, text)
    }

    /// That many boxes are done.
    pub(super) fn advance(&mut self, boxes: u8) {
        self.nonce = plus(self.nonce, boxes);
    }
}

/// Shows the nonce, which is no secret.
impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxKey")
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

/// Big endian over all the bytes; after the highest comes zero.
fn plus(mut nonce: Nonce, count: u8) -> Nonce {
    let mut carry = count;
    for byte in nonce.iter_mut().rev() {
        let (sum, is_carried) = byte.overflowing_add(carry);
        *byte = sum;
        if !is_carried {
            break;
        }
        carry = 1;
    }
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_carries_through_all_its_bytes() {
        let mut high = [0xff; 24];
        high[23] = 0xfe;
        assert_eq!(plus(high, 1), [0xff; 24]);
        assert_eq!(plus(high, 2), [0; 24]);
        assert_eq!(plus([0xff; 24], 1), [0; 24]);
        let mut low = [0; 24];
        low[22..].copy_from_slice(&[1, 0xff]);
        assert_eq!(plus(low, 2)[22..], [2, 1]);
        assert_eq!(plus(low, 0), low);
    }

    #[test]
    fn a_key_is_not_shown() {
        let shown = format!("{:?}", BoxKey::new(&[0xab; 32], [1; 24]));
        assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    }
}
