//! Who may connect.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use tower_multiserver_core::{AllowAll, AllowList, Authorize, BoxError, Peer, PublicKey};

/// Who may connect where a key is asked for: the text `all`, or a list of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Everybody who proves any key, which takes the app key where the protocol has one.
    All,
    /// Who holds one of these keys. Our own is no exception.
    Keys(Vec<PublicKey>),
}

const ALL: &str = "all";

impl Serialize for Allow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str(ALL),
            Self::Keys(keys) => keys.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllOrKeys;

        impl<'de> Visitor<'de> for AllOrKeys {
            type Value = Allow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of keys, or \"all\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Allow, E> {
                match text {
                    ALL => Ok(Allow::All),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, keys: A) -> Result<Allow, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(keys)).map(Allow::Keys)
            }
        }

        deserializer.deserialize_any(AllOrKeys)
    }
}

/// What the layers ask.
#[derive(Clone, Debug)]
pub(super) enum Guests {
    All,
    Listed(AllowList),
}

impl Guests {
    /// Nobody, unless said.
    pub(super) fn new(allow: Option<&Allow>) -> Self {
        match allow {
            Some(Allow::All) => Self::All,
            Some(Allow::Keys(keys)) => Self::Listed(keys.iter().copied().collect()),
            None => Self::Listed(AllowList::default()),
        }
    }
}

/// What `knock` asks: whether a guest may knock. It asks when we dial too, and whom we dial is no guest.
#[cfg(feature = "knock")]
#[derive(Clone, Debug)]
pub(super) struct Knocking(pub(super) Guests);

#[cfg(feature = "knock")]
impl Authorize for Knocking {
    type Grant = ();

    async fn authorize(&self, peer: Peer) -> Result<(), BoxError> {
        let is_guest = peer
            .info
            .get::<tower_multiserver_core::ClaimedKey>()
            .is_some();
        match is_guest {
            true => self.0.authorize(peer).await,
            false => Ok(()),
        }
    }
}

impl Authorize for Guests {
    type Grant = ();

    async fn authorize(&self, peer: Peer) -> Result<(), BoxError> {
        match self {
            Self::All => AllowAll.authorize(peer).await,
            Self::Listed(list) => list.authorize(peer).await,
        }
    }
}
