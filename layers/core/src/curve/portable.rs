//! By the dalek crates.

use std::ops::Deref;

use curve25519_dalek::MontgomeryPoint;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// A key pair.
pub(crate) struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The signature of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl Deref for SigningKey {
    type Target = ed25519_dalek::SigningKey;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Whether `signature` is that of `message` by `key`; as strict as [`PublicKey::verify`](crate::PublicKey::verify) says.
pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    decode(key).is_some_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// The X25519 key that belongs to an Ed25519 key of the prime-order part of the group.
pub(crate) fn to_x25519(key: &[u8; 32]) -> Option<[u8; 32]> {
    let key = decode(key)?;
    // The subgroup of prime order holds the neutral element too, which is of small order and refused by then.
    key.to_edwards()
        .is_torsion_free()
        .then(|| key.to_montgomery().to_bytes())
}

/// The X25519 public key of `secret`.
pub(crate) fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*secret).to_bytes()
}

/// The secret that `secret` and `public` share, unless that is zero.
pub(crate) fn shared_secret(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let mut point = MontgomeryPoint(*public).mul_clamped(*secret);
    let shared = Zeroizing::new(point.0);
    point.zeroize();
    let is_zero: bool = shared.ct_eq(&[0; 32]).into();
    (!is_zero).then_some(shared)
}

/// The key as a point, when that is canonical and not of small order.
fn decode(key: &[u8; 32]) -> Option<VerifyingKey> {
    let point = VerifyingKey::from_bytes(key).ok()?;
    // Decoding alone takes a `y` that is not reduced. (The other texts that it takes and should not are of small order.)
    (is_reduced(key) && !point.is_weak()).then_some(point)
}

/// Whether the number without its highest bit is below 2²⁵⁵ − 19.
fn is_reduced(y: &[u8; 32]) -> bool {
    let is_all_ones = y[31] & 0x7f == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff);
    !is_all_ones || y[0] < 0xed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_has_one_text() {
        let mut decoded = 0;
        for low in 0..=0xff {
            for high in [0x7f, 0xff] {
                let mut text = [0xff; 32];
                (text[0], text[31]) = (low, high);
                if let Ok(key) = VerifyingKey::from_bytes(&text) {
                    let is_canonical = key.to_edwards().compress().as_bytes() == &text;
                    assert_eq!(
                        decode(&text).is_some(),
                        is_canonical && !key.is_weak(),
                        "{low:x}"
                    );
                    decoded += usize::from(!is_canonical);
                }
            }
        }
        assert!(decoded > 0, "some texts are not canonical");
    }
}
