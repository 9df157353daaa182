//! The name of a peer in ragep2p.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorKind, FromSection, Identity, PublicKey, Section};

/// A peer's name in [ragep2p](https://github.com/smartcontractkit/libocr) and libp2p: its Ed25519 public key.
///
/// In text it is `12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz`, always 52 characters: base58 in Bitcoin's
/// alphabet, of the key behind six bytes that say which kind of key it is. Of what libp2p writes nothing else is read:
/// no CID, no multibase prefix, no other kind of key. Like a [`PublicKey`] it may be any 32 bytes, until it is used.
///
/// As the arguments of a section, `knock:PEERID`, a key that nobody can hold is refused.
///
/// ```
/// use tower_multiserver_core::{Identity, PeerId};
///
/// let identity = Identity::generate()?;
/// let id = PeerId::from(identity.public_key());
/// assert_eq!(id.to_string().parse::<PeerId>()?, id);
///
/// let signature = PeerId::sign(&identity, "my application/v1", b"hello");
/// assert!(id.verify("my application/v1", b"hello", &signature));
/// assert!(!id.verify("another one", b"hello", &signature));
/// # Ok::<(), tower_multiserver_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(PublicKey);

/// What stands before the key: an identity multihash of 36 bytes, in which a protobuf message says that the kind of the
/// key is 1, Ed25519, and that it has 32 bytes.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
const BYTES: usize = PREFIX.len() + 32;
/// The prefix makes all texts equally long.
const CHARS: usize = 52;

/// What the bytes begin with that are signed for an application. TLS 1.3 signs 64 spaces too, and another text.
const SIGNED: &[u8] = b"ragep2p arbitrary message signing\0";
/// A longer message is signed by its hash, in bytes.
const LONGEST_WHOLE: usize = 1024;

impl PeerId {
    /// Reads the 38 bytes of the binary form.
    ///
    /// # Errors
    ///
    /// When they are more or fewer, or not of an Ed25519 key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let key = bytes.strip_prefix(&PREFIX);
        let key = key.and_then(|key| key.try_into().ok());
        key.map(|key| Self(PublicKey::from_bytes(key)))
            .ok_or_else(|| not_an_id("a peer id in bytes is `00 24 08 01 12 20` and 32 bytes"))
    }

    /// The binary form.
    pub fn to_bytes(self) -> [u8; 38] {
        let mut bytes = [0; BYTES];
        let (prefix, key) = bytes.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(&PREFIX);
        key.copy_from_slice(self.0.as_bytes());
        bytes
    }

    /// The key that it stands for.
    pub fn public_key(&self) -> PublicKey {
        self.0
    }

    /// Signs a message of an application with the key pair of a peer. The signature is good for nothing else: for no
    /// other `domain`, and for no part of a protocol of the network.
    ///
    /// `domain` is the application's choice, such as its name and version. These are the signatures of libocr's
    /// `peeridhelper`.
    pub fn sign(identity: &Identity, domain: &str, message: &[u8]) -> [u8; 64] {
        identity.sign(&Self::signed_bytes(domain, message))
    }

    /// Whether `signature` is what [`sign`](Self::sign) made of them with the key pair of this peer. It is as strict as
    /// [`PublicKey::verify`].
    pub fn verify(&self, domain: &str, message: &[u8], signature: &[u8; 64]) -> bool {
        let signed = Self::signed_bytes(domain, message);
        self.0.verify(&signed, signature)
    }

    /// The bytes of which [`sign`](Self::sign) makes the Ed25519 signature, for a key that is kept elsewhere.
    ///
    /// They are 64 spaces, `ragep2p arbitrary message signing`, a zero byte, and `domain` behind its length. Then a
    /// message of up to 1024 bytes follows as a zero byte and itself behind its length, a longer one as a byte one and its
    /// SHA-256. Lengths are 8 bytes, big endian.
    pub fn signed_bytes(domain: &str, message: &[u8]) -> Vec<u8> {
        let mut signed = vec![b' '; 64];
        signed.extend_from_slice(SIGNED);
        push_with_length(&mut signed, domain.as_bytes());
        if message.len() <= LONGEST_WHOLE {
            signed.push(0);
            push_with_length(&mut signed, message);
        } else {
            signed.push(1);
            signed.extend_from_slice(&Sha256::digest(message));
        }
        signed
    }
}

fn push_with_length(to: &mut Vec<u8>, bytes: &[u8]) {
    // A `usize` has 64 bits at most.
    to.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    to.extend_from_slice(bytes);
}

fn not_an_id(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidAddress, reason)
}

const NOT_TEXT: &str = "a peer id is `12D3KooW` and 44 characters of base58";

impl From<PublicKey> for PeerId {
    fn from(key: PublicKey) -> Self {
        Self(key)
    }
}

impl From<PeerId> for PublicKey {
    fn from(id: PeerId) -> Self {
        id.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; CHARS];
        // None can fail: the prefix gives every text this length, and base58 is ASCII.
        let length = bs58::encode(self.to_bytes()).onto(&mut text[..]);
        let text = text.get(..length.map_err(|_| fmt::Error)?);
        let text = std::str::from_utf8(text.ok_or(fmt::Error)?);
        f.pad(text.map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Decoding a whole text takes time in the square of its length. So one of another length is not looked at, and
        // nothing is decoded beyond the buffer.
        if text.len() != CHARS {
            return Err(not_an_id(NOT_TEXT));
        }
        let mut bytes = [0; BYTES];
        match bs58::decode(text).onto(&mut bytes[..]) {
            Ok(BYTES) => Self::from_bytes(&bytes).map_err(|_| not_an_id(NOT_TEXT)),
            _ => Err(not_an_id(NOT_TEXT)),
        }
    }
}

/// The arguments of `knock:PEERID`, and of `mtls` alike: whom to dial.
impl FromSection for PeerId {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let not_a = |what| {
            let name = section.name();
            Error::unsupported(format!("`{name}:PEERID` without {what}"))
        };
        let text = section.args().unwrap_or_default();
        let id: Self = text.parse().map_err(|_| not_a("a peer id"))?;
        match id.0.to_x25519() {
            Some(_) => Ok(id),
            None => Err(not_a("the peer id of a usable key")),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PeerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PeerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom(NOT_TEXT))
    }
}
