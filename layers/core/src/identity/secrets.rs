//! Keys that must not be shown: compared in constant time, wiped from memory when dropped.

use std::{fmt, str::FromStr, sync::Arc};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Error, ErrorKind};

use super::{decode, encode};

/// The key of a network, which both sides of a secret handshake must know. It is read from base64.
#[derive(Clone)]
pub struct AppKey(Bytes);

/// What an [`Identity`](crate::Identity) is made of: an Ed25519 private key as RFC 8032 means it. It is read from
/// base64.
///
/// In an address, `shs:KEY:SEED`, it is the key pair to dial with once, such as that of an invitation.
#[derive(Clone)]
pub struct Seed(Bytes);

/// Clones share one copy, which stays where it is: each move of the bytes themselves would leave some behind that nobody
/// wipes.
#[derive(Clone)]
enum Bytes {
    /// In the program's text for everybody to read.
    Known(&'static [u8; 32]),
    Held(Arc<Zeroizing<[u8; 32]>>),
}

impl Bytes {
    fn copied(bytes: &[u8; 32]) -> Self {
        let mut held = Arc::new(Zeroizing::new([0; 32]));
        Arc::make_mut(&mut held).copy_from_slice(bytes);
        Self::Held(held)
    }

    fn get(&self) -> &[u8; 32] {
        match self {
            Self::Known(bytes) => bytes,
            Self::Held(bytes) => bytes,
        }
    }
}

impl AppKey {
    /// The key of the main Secure Scuttlebutt network. Everybody knows it.
    pub const SSB: Self = Self(Bytes::Known(&[
        0xd4, 0xa1, 0xcb, 0x88, 0xa6, 0x6f, 0x02, 0xf8, 0xdb, 0x63, 0x5c, 0xe2, 0x64, 0x41, 0xcc,
        0x5d, 0xac, 0x1b, 0x08, 0x42, 0x0c, 0xea, 0xac, 0x23, 0x08, 0x39, 0xb7, 0x55, 0x84, 0x5a,
        0x9f, 0xfb,
    ]));
}

/// As base64: a configuration may hold it.
#[cfg(feature = "serde")]
impl serde::Serialize for AppKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(encode(self.as_bytes())))
    }
}

/// From base64.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for AppKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse()
            .map_err(|_| serde::de::Error::custom("an app key is the base64 of 32 bytes"))
    }
}

impl Seed {
    /// A new one from the operating system's random source.
    ///
    /// # Errors
    ///
    /// When there is no such source, which no supported system is known to do once it runs.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| Error::new(ErrorKind::Other, error))?;
        Ok(Self::copied(&bytes))
    }

    pub(super) fn copied(bytes: &[u8; 32]) -> Self {
        Self(Bytes::copied(bytes))
    }

    /// Its text, for an address or a person who may have it.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(encode(self.as_bytes()))
    }
}

/// What both have in common.
macro_rules! secret {
    ($Secret:ident, $name:literal) => {
        impl $Secret {
            /// The key of these bytes.
            pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
                let this = Self(Bytes::copied(&bytes));
                bytes.zeroize();
                this
            }

            /// Its bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                self.0.get()
            }
        }

        /// With the last of its clones.
        impl ZeroizeOnDrop for $Secret {}

        /// In constant time.
        impl PartialEq for $Secret {
            fn eq(&self, other: &Self) -> bool {
                self.as_bytes().ct_eq(other.as_bytes()).into()
            }
        }

        impl Eq for $Secret {}

        /// Shows nothing of it.
        impl fmt::Debug for $Secret {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Secret)).finish_non_exhaustive()
            }
        }

        /// Takes base64, canonical but for the padding, which may be missing.
        impl FromStr for $Secret {
            type Err = Error;

            fn from_str(s: &str) -> Result<Self, Error> {
                match decode(s) {
                    Some(bytes) => Ok(Self(Bytes::copied(&bytes))),
                    None => Err(Error::new(
                        ErrorKind::InvalidAddress,
                        concat!($name, " is the base64 of 32 bytes"),
                    )),
                }
            }
        }
    };
}

secret!(AppKey, "an app key");
secret!(Seed, "a seed");
