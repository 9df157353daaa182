//! The key and the counting nonce of one direction.

use std::fmt;

use crate::secretbox::{Nonce, Tag};

use super::boxes::Boxes;

/// The key of one direction, with the nonce of its next box. Wiped from memory when dropped.
///
/// It is not `Clone`: two users of one key would use a nonce twice.
pub struct BoxKey {
    boxes: Box<Boxes>,
    nonce: Nonce,
}

impl BoxKey {
    /// A direction with this key, whose first box has this nonce.
    pub fn new(key: &[u8; 32], nonce: [u8; 24]) -> Self {
        Self {
            boxes: Boxes::new(key, &nonce),
            nonce,
        }
    }

    /// The key.
    pub fn key(&self) -> &[u8; 32] {
        self.boxes.key()
    }

    /// The nonce of the next box.
    pub fn nonce(&self) -> &[u8; 24] {
        &self.nonce
    }

    /// Seals with the nonce `ahead` of the next one.
    pub(super) fn seal(&mut self, ahead: u8, text: &[u8], sealed: &mut [u8]) -> Tag {
        self.boxes.seal(&plus(self.nonce, ahead), text, sealed)
    }

    #[must_use]
    pub(super) fn open(&mut self, tag: &Tag, sealed: &[u8], text: &mut [u8]) -> bool {
        self.boxes.open(&self.nonce, tag, sealed, text)
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
        let nonce = format!("BoxKey {{ nonce: {:?}, .. }}", [1; 24]);
        assert_eq!(shown, nonce);
    }
}
