//! ChaCha20-Poly1305 and X25519, as Noise means them.

use chacha20poly1305::{
    AeadInOut as _, ChaCha20Poly1305, KeyInit as _, Nonce, Tag, aead::inout::InOutBuf,
};
use curve25519_dalek::MontgomeryPoint;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// The length of a tag, in bytes.
pub(crate) const TAG: usize = 16;

/// A secret that is wiped from memory when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// The nonce that no message has: the key after next is sealed with it (section 4.2).
const REKEY_NONCE: u64 = u64::MAX;

/// Seals `text`, and says how much of `out` that takes: [`TAG`] bytes more than the text.
pub(crate) fn seal(key: &[u8; 32], nonce: u64, ad: &[u8], text: &[u8], out: &mut [u8]) -> usize {
    let (sealed, rest) = out.split_at_mut(text.len());
    let buffer = InOutBuf::new(text, sealed).expect("they are of one length");
    let tag = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&expand(nonce), ad, buffer)
        .expect("no text is as long as the cipher's limit of 256 GiB");
    rest[..TAG].copy_from_slice(&tag);
    text.len() + TAG
}

/// Opens `sealed` into `text`, which is as long as it needs. Nothing is written there unless all is right.
#[must_use]
pub(crate) fn open(key: &[u8; 32], nonce: u64, ad: &[u8], sealed: &[u8], text: &mut [u8]) -> bool {
    let Some((sealed, tag)) = sealed.split_last_chunk::<TAG>() else {
        return false;
    };
    let Ok(buffer) = InOutBuf::new(sealed, text) else {
        return false;
    };
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(&expand(nonce), ad, buffer, &Tag::from(*tag))
        .is_ok()
}

/// The key after `key` (section 4.2).
pub(crate) fn rekey(key: &[u8; 32]) -> Secret {
    let mut sealed = Zeroizing::new([0; 32 + TAG]);
    seal(key, REKEY_NONCE, &[], &[0; 32], &mut *sealed);
    Zeroizing::new(*sealed.first_chunk().expect("48 bytes hold 32"))
}

/// The X25519 public key of `secret` (RFC 7748).
pub(crate) fn public(secret: &Secret) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(**secret).to_bytes()
}

/// The secret that `secret` and `public` share (RFC 7748). `None` for the zero, which a key of small order makes with
/// every other: it would prove nothing.
pub(crate) fn shared(secret: &Secret, public: &[u8; 32]) -> Option<Secret> {
    let mut point = MontgomeryPoint(*public).mul_clamped(**secret);
    let shared = Zeroizing::new(point.0);
    point.zeroize();
    let is_zero: bool = shared.ct_eq(&[0; 32]).into();
    (!is_zero).then_some(shared)
}

/// 96 bits: 32 zeros and the number, little endian (section 12.3).
fn expand(nonce: u64) -> Nonce {
    let mut bytes = Nonce::default();
    bytes[4..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}
