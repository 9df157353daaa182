//! What a peer is known by.

use std::{fmt, str::FromStr};

use crate::{Error, ErrorKind, curve};

use super::{decode, encode};

/// An Ed25519 public key (RFC 8032): any 32 bytes, until they are used.
///
/// In text it is base64, `1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=`. Reading takes it without padding too, and in
/// the way of Secure Scuttlebutt, `@….ed25519`; otherwise it takes the canonical text only, so that a key has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes. Whether they are a good one shows when it is used.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's of `message`.
    ///
    /// It accepts what libsodium does: keys and points that are canonical and not of small order, and `S` below the
    /// order of the group. So no signature is good for two messages, and none has two texts.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        curve::verify(&self.0, message, signature)
    }

    /// The X25519 public key that belongs to it (libsodium's `crypto_sign_ed25519_pk_to_curve25519`).
    ///
    /// `None` when it is not the canonical text of a point of the group's prime-order part: a shared secret with such a
    /// key would prove nothing.
    pub fn to_x25519(&self) -> Option<[u8; 32]> {
        curve::to_x25519(&self.0)
    }

    /// The way Secure Scuttlebutt writes it, `@….ed25519`.
    pub fn to_ssb_id(&self) -> String {
        format!("@{self}.ed25519")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let text = match s.strip_prefix('@') {
            Some(id) => id.strip_suffix(".ed25519"),
            None => Some(s),
        };
        match text.and_then(decode) {
            Some(bytes) => Ok(Self(*bytes)),
            None => Err(Error::new(
                ErrorKind::InvalidAddress,
                "a public key is the base64 of 32 bytes",
            )),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom("a public key is the base64 of 32 bytes"))
    }
}
