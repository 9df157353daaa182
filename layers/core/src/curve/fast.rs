//! By graviola, where the CPU has the instructions that it is written in; else as without it.

use std::ops::Deref;

use graviola::{
    key_agreement::x25519::{PublicKey, StaticPrivateKey},
    signing::eddsa::{Ed25519SigningKey, Ed25519VerifyingKey},
};
use zeroize::Zeroizing;

use super::portable;

/// A key pair.
pub(crate) struct SigningKey {
    portable: portable::SigningKey,
    fast: Option<Ed25519SigningKey>,
}

impl SigningKey {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self {
            portable: portable::SigningKey::new(seed),
            fast: runs_here()
                .then(|| Ed25519SigningKey::from_bytes(seed).ok())
                .flatten(),
        }
    }

    /// The signature of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.fast {
            Some(key) => key.sign(message),
            None => self.portable.sign(message),
        }
    }
}

impl Deref for SigningKey {
    type Target = ed25519_dalek::SigningKey;

    fn deref(&self) -> &Self::Target {
        &self.portable
    }
}

/// Whether `signature` is that of `message` by `key`; as strict as [`PublicKey::verify`](crate::PublicKey::verify) says.
pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    if !runs_here() {
        return portable::verify(key, message, signature);
    }
    // It takes canonical texts only, so there are no others of these points.
    let is_small = |point| SMALL_ORDER.contains(point);
    if is_small(key) || signature.first_chunk().is_none_or(is_small) {
        return false;
    }
    Ed25519VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify(signature, message).is_ok())
}

/// The X25519 public key of `secret`.
pub(crate) fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    match runs_here() {
        true => StaticPrivateKey::from_array(secret).public_key().as_bytes(),
        false => portable::public_key(secret),
    }
}

/// The secret that `secret` and `public` share, unless that is zero.
pub(crate) fn shared_secret(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    if !runs_here() {
        return portable::shared_secret(secret, public);
    }
    let secret = StaticPrivateKey::from_array(secret);
    let shared = secret.diffie_hellman(&PublicKey::from_array(public)).ok()?;
    Some(Zeroizing::new(shared.0))
}

/// Whether the CPU has what graviola needs, which panics where it has not.
fn runs_here() -> bool {
    is_x86_feature_detected!("adx")
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("avx")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("pclmulqdq")
}

/// The canonical texts of the eight points whose order divides eight.
const SMALL_ORDER: [[u8; 32]; 8] = {
    let eighth = *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\
        \xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05";
    let other = *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\
        \x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a";
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    [
        one,
        minus_one,
        [0; 32],
        negative([0; 32]),
        eighth,
        negative(eighth),
        other,
        negative(other),
    ]
};

/// The same `y` with the other `x`.
const fn negative(mut text: [u8; 32]) -> [u8; 32] {
    text[31] |= 0x80;
    text
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    #[test]
    fn the_points_of_small_order_are_all_there() {
        let mut expected = EIGHT_TORSION.map(|point| point.compress().to_bytes());
        let mut listed = SMALL_ORDER;
        expected.sort();
        listed.sort();
        assert_eq!(listed, expected);
    }
}
