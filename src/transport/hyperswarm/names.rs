//! The arguments of `hyperdht:`, `hyperswarm:` and `dht:`.

use std::{fmt, str::FromStr, sync::LazyLock};

use data_encoding::{Encoding, HEXLOWER, HEXLOWER_PERMISSIVE, Specification};
use sha2::{Digest, Sha256};
use tower_multiserver_core::{Error, FromSection, PublicKey, Section};

/// What `hyperdht:KEY` holds: a public key as 64 hexadecimal digits or as 52 characters of z-base-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(super) PublicKey);

/// What `hyperdht` or `hyperdht:KEY` holds for a listener, which has no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaybeKey(pub(super) Option<PublicKey>);

/// The 32 bytes by which peers find each other: `hyperswarm:TOPIC`, 64 hexadecimal digits or 52 characters of z-base-32.
///
/// `dht:CHANNEL` is another way to write one: the SHA-256 of the channel's name, as in multiserver-dht.
///
/// ```
/// use tower_multiserver::hyperswarm::Topic;
///
/// let topic = Topic::of_channel("chat");
/// assert_eq!(topic.to_string().parse::<Topic>()?, topic);
/// # Ok::<(), tower_multiserver::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic([u8; 32]);

impl Topic {
    /// The topic of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The topic of a channel's name, its SHA-256.
    pub fn of_channel(channel: &str) -> Self {
        Self(Sha256::digest(channel).into())
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `hyperswarm:TOPIC`.
    pub fn section(&self) -> Section {
        Section::new("hyperswarm").arg(self)
    }

    /// The topic of a rendezvous, `hyperswarm:TOPIC` or `dht:CHANNEL`.
    pub(crate) fn of_section(section: &Section) -> Result<Self, Error> {
        match (section.name(), section.args()) {
            ("hyperswarm", _) => Self::from_section(section),
            ("dht", Some(channel)) if !channel.is_empty() => Ok(Self::of_channel(channel)),
            ("dht", _) => Err(Error::unsupported("`dht` needs a channel, `dht:CHANNEL`")),
            _ => Err(Error::unsupported(
                "expected `hyperswarm:TOPIC` or `dht:CHANNEL`",
            )),
        }
    }
}

/// Whether it is of a rendezvous, `hyperswarm:TOPIC` or `dht:CHANNEL`.
#[cfg(feature = "serde")]
pub(crate) fn is_rendezvous(section: &Section) -> bool {
    ["hyperswarm", "dht"].contains(&section.name())
}

/// `hyperdht:KEY`, in the form that is advertised.
pub(super) fn key_section(key: &PublicKey) -> Section {
    Section::new("hyperdht").arg(HEXLOWER.encode(key.as_bytes()))
}

impl From<Key> for PublicKey {
    fn from(Key(key): Key) -> Self {
        key
    }
}

/// Reads 32 bytes in hexadecimal digits or in z-base-32.
#[expect(clippy::expect_used, reason = "of what does not depend on the text")]
fn decode(text: &str) -> Option<[u8; 32]> {
    static Z32: LazyLock<Encoding> = LazyLock::new(|| {
        let mut alphabet = Specification::new();
        alphabet
            .symbols
            .push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
        alphabet.encoding().expect("32 different symbols")
    });
    let bytes = match text.len() {
        64 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
        52 => Z32.decode(text.as_bytes()),
        _ => return None,
    };
    bytes.ok()?.try_into().ok()
}

impl FromSection for Key {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let key = section.args().and_then(decode).map(PublicKey::from_bytes);
        // A key that nobody can prove is refused here, before anything is sent.
        match key.filter(|key| key.to_x25519().is_some()) {
            Some(key) => Ok(Self(key)),
            None => Err(Error::unsupported(
                "`hyperdht` needs a public key, 64 hexadecimal digits or 52 of z-base-32",
            )),
        }
    }
}

impl FromSection for MaybeKey {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match section.args() {
            None | Some("") => Ok(Self(None)),
            Some(_) => Key::from_section(section).map(|Key(key)| Self(Some(key))),
        }
    }
}

impl FromSection for Topic {
    fn from_section(section: &Section) -> Result<Self, Error> {
        section.args().and_then(decode).map(Self).ok_or_else(|| {
            Error::unsupported(
                "`hyperswarm` needs a topic, 64 hexadecimal digits or 52 of z-base-32",
            )
        })
    }
}

/// As in an address, without the name of the section.
impl FromStr for Topic {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        Self::from_section(&Section::new("hyperswarm").arg(s))
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({self})")
    }
}

#[cfg(test)]
mod tests {
    use tower_multiserver_core::{ErrorKind, Identity, Seed};

    use super::*;

    // Made with npm z32 1.1.0: the bytes 0 to 31.
    const Z32: &str = "yyyoryarywdyqnyjbefoadeqbhebnrounoktcfaadrpbs8y7daxo";

    fn section(text: &str) -> Section {
        text.parse().unwrap()
    }

    fn key() -> PublicKey {
        Identity::from_seed(&Seed::from_bytes([7; 32])).public_key()
    }

    #[test]
    fn a_key_is_read_in_hex_of_either_case_and_written_in_small_letters() {
        let advertised = key_section(&key());
        assert_eq!(Key::from_section(&advertised).unwrap(), Key(key()));
        let hex = HEXLOWER.encode(key().as_bytes());
        assert_eq!(advertised.to_string(), format!("hyperdht:{hex}"));
        let upper = section(&format!("hyperdht:{}", hex.to_uppercase()));
        assert_eq!(Key::from_section(&upper).unwrap(), Key(key()));
    }

    #[test]
    fn a_topic_is_read_in_z_base_32_as_npm_writes_it() {
        let topic: Topic = Z32.parse().unwrap();
        assert_eq!(topic.as_bytes().to_vec(), (0..32).collect::<Vec<u8>>());
        assert_eq!(topic.to_string(), HEXLOWER.encode(topic.as_bytes()));
    }

    #[test]
    fn what_is_no_usable_key_is_not_understood() {
        let hex = HEXLOWER.encode(key().as_bytes());
        for wrong in [
            "hyperdht".to_owned(),
            "hyperdht:".to_owned(),
            format!("hyperdht:{}", &hex[1..]),
            format!("hyperdht:{hex}0"),
            format!("hyperdht:{hex}:1"),
            format!("hyperdht:g{}", &hex[1..]),
            format!("hyperdht:{}", "0".repeat(64)), // Of small order.
            format!("hyperdht:{}", "é".repeat(32)),
        ] {
            let error = Key::from_section(&section(&wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{wrong}");
        }
    }

    #[test]
    fn a_channel_is_the_topic_of_its_sha256_and_an_empty_one_is_none() {
        // printf chat | sha256sum
        const CHAT: &str = "31e06f7d89feb99a0e6c0affe198748c";
        let topic = Topic::of_section(&section("dht:chat")).unwrap();
        assert_eq!(topic, Topic::of_channel("chat"));
        assert_eq!(Topic::of_section(&topic.section()).unwrap(), topic);
        assert!(topic.to_string().starts_with(CHAT), "{topic}");
        for wrong in ["dht", "dht:", "hyperswarm", "hyperswarm:chat", "net:a:1"] {
            assert!(Topic::of_section(&section(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_bits_of_z_base_32_must_stand_for_nothing() {
        let wrong = format!("{}b", &Z32[..51]);
        assert!(wrong.parse::<Topic>().is_err());
    }
}
