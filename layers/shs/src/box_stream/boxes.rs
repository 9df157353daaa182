//! The boxes of one key: those of `secretbox`, the short ones at less cost.
//!
//! Of a nonce HSalsa20 takes the 16 high bytes, and nonces that count up have them in common. So what it makes of them is
//! kept: it is a third of the work on a header. A longer box is made by `secretbox` from the key itself, since no library
//! takes the other for one and is as fast.

use salsa20::{
    SalsaCore,
    cipher::{KeyIvInit, StreamCipherCore, consts::U10},
};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secretbox::{self, Key, Nonce, Tag};

/// The longest text of a short box, in bytes: the first block of Salsa20 has so much left beside the authenticator's key.
const SHORT_MAX: usize = 32;

/// A key. Wiped from memory when dropped.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Boxes {
    key: Key,
    /// What HSalsa20 made of the key and of `high`.
    subkey: Key,
    /// The high bytes of the last nonce of a short box.
    high: [u8; 16],
}

#[expect(
    clippy::expect_used,
    reason = "arrays are cut into arrays that are as long together"
)]
impl Boxes {
    /// With this key, for boxes of nonces such as this one.
    ///
    /// Boxed, so that moving it leaves no copies behind.
    pub(super) fn new(key: &Key, nonce: &Nonce) -> Box<Self> {
        let mut boxes = Box::<Self>::default();
        boxes.key = *key;
        boxes.derive(nonce);
        boxes
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Encrypts `text` into `sealed`, which is as long.
    pub(super) fn seal(&mut self, nonce: &Nonce, text: &[u8], sealed: &mut [u8]) -> Tag {
        if text.len() > SHORT_MAX {
            return secretbox::seal(&self.key, nonce, text, sealed);
        }
        let block = self.first_block(nonce);
        let (key, stream) = block.split_first_chunk().expect("64 bytes hold 32");
        xor(text, stream, sealed);
        secretbox::authenticate(key, sealed)
    }

    /// Decrypts `sealed` into `text`, which is as long, if it is what the holder of the key sealed. Otherwise `text`
    /// stays as it was.
    #[must_use]
    pub(super) fn open(
        &mut self,
        nonce: &Nonce,
        tag: &Tag,
        sealed: &[u8],
        text: &mut [u8],
    ) -> bool {
        if sealed.len() > SHORT_MAX {
            return secretbox::open(&self.key, nonce, tag, sealed, text);
        }
        let block = self.first_block(nonce);
        let (key, stream) = block.split_first_chunk().expect("64 bytes hold 32");
        let right = Zeroizing::new(secretbox::authenticate(key, sealed));
        let is_right = right.ct_eq(tag).into();
        if is_right {
            xor(sealed, stream, text);
        }
        is_right
    }

    /// The first block of the key stream.
    fn first_block(&mut self, nonce: &Nonce) -> Zeroizing<[u8; 64]> {
        if !nonce.starts_with(&self.high) {
            self.derive(nonce);
        }
        let low: &[u8; 8] = nonce.last_chunk().expect("24 bytes hold 8");
        let mut block = Zeroizing::new([0; 64]);
        SalsaCore::<U10>::new((&self.subkey).into(), low.into())
            .write_keystream_block((&mut *block).into());
        block
    }

    fn derive(&mut self, nonce: &Nonce) {
        self.high = *nonce.first_chunk().expect("24 bytes hold 16");
        secretbox::hsalsa20(&self.key, &self.high, &mut self.subkey);
    }
}

fn xor(from: &[u8], stream: &[u8], to: &mut [u8]) {
    for ((to, from), byte) in to.iter_mut().zip(from).zip(stream) {
        *to = from ^ byte;
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// Nonces that have their high bytes in common, and nonces that do not, in any order.
    #[test]
    fn a_box_of_any_length_and_nonce_is_that_of_secretbox() {
        for seed in 0..100_u64 {
            let key = drawn(seed, 0);
            let mut nonce = nonce(seed, 1);
            let mut boxes = Boxes::new(&key, &nonce);
            for step in 0..40 {
                let draw = drawn(seed, 2 + step);
                match draw[0] % 4 {
                    0 => nonce[..16].copy_from_slice(&draw[8..24]),
                    1 => nonce[15] ^= 1,
                    2 => nonce = [draw[1]; 24],
                    _ => nonce[16..].copy_from_slice(&draw[24..]),
                }
                let text: Vec<u8> = draw.repeat(2)[..usize::from(draw[2]) % 65].into();
                same(&mut boxes, &key, &nonce, &text);
            }
        }
    }

    fn same(boxes: &mut Boxes, key: &Key, nonce: &Nonce, text: &[u8]) {
        let (mut ours, mut theirs) = (vec![0; text.len()], vec![0; text.len()]);
        let tag = boxes.seal(nonce, text, &mut ours);
        let same = secretbox::seal(key, nonce, text, &mut theirs);
        assert_eq!((tag, &ours), (same, &theirs), "{text:?} with {nonce:?}");

        let mut opened = vec![0xaa; text.len()];
        assert!(boxes.open(nonce, &tag, &ours, &mut opened));
        assert_eq!(opened, text);
    }

    #[test]
    fn a_forgery_is_refused_and_leaves_the_buffer_untouched() {
        let (key, nonce) = ([7; 32], [9; 24]);
        let mut boxes = Boxes::new(&key, &nonce);
        for length in [0, 1, 18, SHORT_MAX, SHORT_MAX + 1] {
            let mut sealed = vec![0; length];
            let tag = boxes.seal(&nonce, &vec![3; length], &mut sealed);
            let mut is_opened = |nonce: &Nonce, tag: &Tag, sealed: &[u8]| {
                let mut out = vec![0xaa; sealed.len()];
                let is_opened = boxes.open(nonce, tag, sealed, &mut out);
                assert!(is_opened || out.iter().all(|byte| *byte == 0xaa));
                is_opened
            };
            assert!(is_opened(&nonce, &tag, &sealed));
            for bit in 0..8 * length {
                let mut wrong = sealed.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_opened(&nonce, &tag, &wrong), "bit {bit} of {length}");
            }
            for bit in 0..8 * tag.len() {
                let mut wrong = tag;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_opened(&nonce, &wrong, &sealed), "bit {bit} of the tag");
            }
            for byte in 0..nonce.len() {
                let mut wrong = nonce;
                wrong[byte] ^= 1;
                assert!(
                    !is_opened(&wrong, &tag, &sealed),
                    "byte {byte} of the nonce"
                );
            }
            assert!(is_opened(&nonce, &tag, &sealed));
        }
    }

    /// The same for a seed each time.
    fn drawn(seed: u64, step: u64) -> [u8; 32] {
        Sha256::digest([seed.to_be_bytes(), step.to_be_bytes()].concat()).into()
    }

    fn nonce(seed: u64, step: u64) -> Nonce {
        let draw = drawn(seed, step);
        *draw.first_chunk().expect("32 bytes hold 24")
    }
}
