//! A key that a handshake can be made with.

use std::fmt;

use crate::Error;

use super::PublicKey;

/// A [`PublicKey`] that somebody can hold, together with the X25519 key that belongs to it.
///
/// Finding it takes longer than a signature, so it is done once, where the key comes from, and not in each handshake.
///
/// ```
/// use tower_multiserver_core::{Identity, PublicKey, UsableKey};
///
/// let bob = Identity::generate()?.public_key();
/// let usable: UsableKey = bob.try_into()?;
/// assert_eq!(usable.public_key(), bob);
/// assert_eq!(Some(*usable.x25519()), bob.to_x25519());
/// assert!(UsableKey::try_from(PublicKey::from_bytes([0; 32])).is_err());
/// # Ok::<(), tower_multiserver_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UsableKey {
    key: PublicKey,
    x25519: [u8; 32],
}

impl UsableKey {
    /// The key itself.
    pub const fn public_key(&self) -> PublicKey {
        self.key
    }

    /// What [`PublicKey::to_x25519`] makes of it.
    pub const fn x25519(&self) -> &[u8; 32] {
        &self.x25519
    }
}

/// An error of the kind [`Unsupported`](crate::ErrorKind::Unsupported) where [`PublicKey::to_x25519`] gives nothing.
impl TryFrom<PublicKey> for UsableKey {
    type Error = Error;

    fn try_from(key: PublicKey) -> Result<Self, Error> {
        match key.to_x25519() {
            Some(x25519) => Ok(Self { key, x25519 }),
            None => Err(Error::unsupported("nobody can hold this public key")),
        }
    }
}

impl fmt::Debug for UsableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UsableKey").field(&self.key).finish()
    }
}
