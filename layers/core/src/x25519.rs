//! X25519 (RFC 7748), for layers that agree on secrets.
//!
//! With the feature `graviola`, and on a CPU that has what it needs, it takes half the time.
//!
//! ```
//! use tower_multiserver_core::{Identity, x25519};
//!
//! let (ephemeral, bob) = ([7; 32], Identity::generate()?);
//! let to_bob = bob.public_key().to_x25519().expect("a key that was generated");
//! let ours = x25519::shared_secret(&ephemeral, &to_bob);
//! let his = x25519::shared_secret(&bob.x25519_secret(), &x25519::public_key(&ephemeral));
//! assert!(ours.is_some() && ours == his);
//! # Ok::<(), tower_multiserver_core::Error>(())
//! ```

use zeroize::Zeroizing;

use crate::curve;

/// The public key of `secret`, any 32 random bytes; they are clamped where they are used.
pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    curve::public_key(secret)
}

/// The secret that the holders of `secret` and of the secret of `public` share.
///
/// `None` for the zero, which a key of small order makes with every other: everybody can compute it, so it would prove
/// nothing.
pub fn shared_secret(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    curve::shared_secret(secret, public)
}
