//! ChaCha20-Poly1305 and X25519, as Noise means them.

use tower_multiserver_core::x25519;
use zeroize::Zeroizing;

use crate::cipher::{self, Nonce};

pub(crate) use crate::cipher::TAG;

/// A secret that is wiped from memory when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// The nonce that no message has: the key after next is sealed with it (section 4.2).
const REKEY_NONCE: u64 = u64::MAX;

/// Seals `text`, and says how much of `out` that takes: [`TAG`] bytes more than the text.
pub(crate) fn seal(key: &[u8; 32], nonce: u64, ad: &[u8], text: &[u8], out: &mut [u8]) -> usize {
    let length = text.len().saturating_add(TAG);
    let (sealed, _) = out.split_at_mut(length);
    cipher::seal(key, &expand(nonce), ad, text, sealed);
    length
}

/// Opens `sealed` into `text`, which is as long as it needs. Nothing is written there unless all is right.
#[must_use]
pub(crate) fn open(key: &[u8; 32], nonce: u64, ad: &[u8], sealed: &[u8], text: &mut [u8]) -> bool {
    cipher::open(key, &expand(nonce), ad, sealed, text)
}

/// The key after `key` (section 4.2).
pub(crate) fn rekey(key: &[u8; 32]) -> Secret {
    let mut sealed = Zeroizing::new([0; 32 + TAG]);
    seal(key, REKEY_NONCE, &[], &[0; 32], &mut *sealed);
    let mut next = Secret::default();
    next.copy_from_slice(sealed.split_at(32).0);
    next
}

/// The X25519 public key of `secret` (RFC 7748).
pub(crate) fn public(secret: &Secret) -> [u8; 32] {
    x25519::public_key(secret)
}

/// The secret that `secret` and `public` share (RFC 7748). `None` for the zero, which a key of small order makes with
/// every other: it would prove nothing.
pub(crate) fn shared(secret: &Secret, public: &[u8; 32]) -> Option<Secret> {
    x25519::shared_secret(secret, public)
}

/// 96 bits: 32 zeros and the number, little endian (section 12.3).
fn expand(nonce: u64) -> Nonce {
    let mut bytes = Nonce::default();
    bytes[4..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}
