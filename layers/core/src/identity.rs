//! Who we are and who a peer is: Ed25519 key pairs, public keys, and the secrets that go with them.

mod base64;
mod public_key;
mod secrets;
mod usable_key;

use std::{fmt, sync::Arc};

use curve25519_dalek::scalar::clamp_integer;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, curve::SigningKey};

pub(crate) use self::base64::{decode, encode};
pub use self::{
    public_key::PublicKey,
    secrets::{AppKey, Seed},
    usable_key::UsableKey,
};

/// Our own Ed25519 key pair (RFC 8032). Clones share one copy, which is wiped from memory with the last of them.
///
/// ```
/// use tower_multiserver_core::Identity;
///
/// let identity = Identity::generate()?;
/// let signature = identity.sign(b"hello");
/// assert!(identity.public_key().verify(b"hello", &signature));
/// # Ok::<(), tower_multiserver_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Identity(Arc<SigningKey>);

impl Identity {
    /// A new key pair from the operating system's random source.
    ///
    /// # Errors
    ///
    /// When there is no such source, which no supported system is known to do once it runs.
    pub fn generate() -> Result<Self, Error> {
        Seed::generate().map(|seed| Self::from_seed(&seed))
    }

    /// The key pair that `seed` stands for.
    pub fn from_seed(seed: &Seed) -> Self {
        Self(Arc::new(SigningKey::new(seed.as_bytes())))
    }

    /// Reads the 64 bytes in which NaCl and its relatives keep a key pair: the seed, then the public key.
    ///
    /// # Errors
    ///
    /// When the public key is not that of the seed: signing with such a pair would give the secret away
    /// (RUSTSEC-2022-0093).
    pub fn from_keypair_bytes(bytes: &[u8; 64]) -> Result<Self, Error> {
        let (seed, public) = bytes.split_at(32);
        let mut copy = Zeroizing::new([0; 32]);
        copy.copy_from_slice(seed);
        let key = SigningKey::new(&copy);
        if key.verifying_key().as_bytes() != public {
            let reason = "the public half of a key pair does not belong to its private half";
            return Err(Error::new(ErrorKind::InvalidAddress, reason));
        }
        Ok(Self(Arc::new(key)))
    }

    /// The 64 bytes in which NaCl and its relatives keep a key pair: the seed, then the public key.
    pub fn to_keypair_bytes(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.to_keypair_bytes())
    }

    /// What the others know us by.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(*self.0.verifying_key().as_bytes())
    }

    /// The Ed25519 signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }

    /// The X25519 secret that belongs to [`PublicKey::to_x25519`], clamped (libsodium's
    /// `crypto_sign_ed25519_sk_to_curve25519`).
    pub fn x25519_secret(&self) -> Zeroizing<[u8; 32]> {
        let unclamped = Zeroizing::new(self.0.to_scalar_bytes());
        Zeroizing::new(clamp_integer(*unclamped))
    }

    /// The 32 bytes that the key pair is made of.
    pub fn seed(&self) -> Seed {
        Seed::copied(self.0.as_bytes())
    }
}

/// Shows the public key alone.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.public_key()).finish()
    }
}
