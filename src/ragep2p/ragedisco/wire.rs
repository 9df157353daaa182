//! The messages, in protocol buffers.
//!
//! ```text
//! MessageWrapper     { oneof { SignedAnnouncement = 2; Reconcile = 3 } }
//! Reconcile          { repeated SignedAnnouncement = 1 }
//! SignedAnnouncement { repeated bytes address = 1; uint64 counter = 2; bytes public key = 3; bytes signature = 4 }
//! ```

use std::{error, fmt};

use prost::Message as _;
use tower_multiserver_core::PublicKey;

use super::{
    Announcement, Endpoint, Endpoints, MAX_ENDPOINTS, MAX_MESSAGE_LEN, MAX_ORACLES, Unverified,
};

/// What we tell a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// That an announcement is new.
    Announcement(Announcement),
    /// All announcements that the peer may see.
    Reconcile(Vec<Announcement>),
}

/// What a peer told us. The form is good; the signatures are still to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// That an announcement is new.
    Announcement(Unverified),
    /// All announcements that we may see; 165 at most.
    Reconcile(Vec<Unverified>),
}

/// Why a message is dropped whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It is longer than [`MAX_MESSAGE_LEN`].
    TooLong,
    /// It is no protocol buffer of the kind.
    Encoding,
    /// It holds no message that we know.
    Unknown,
    /// It holds more announcements than there can be oracles.
    Announcements,
    /// An announcement in it has no address, or more than ten.
    Endpoints,
    /// An address in it is none.
    Endpoint,
    /// A key in it has not 32 bytes.
    Key,
    /// An announcement in it has no signature.
    Unsigned,
}

impl Message {
    /// Its bytes: a message of the stream.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self {
            Self::Announcement(announcement) => proto::Kind::Announcement(announcement.into()),
            Self::Reconcile(announcements) => proto::Kind::Reconcile(proto::Reconcile {
                announcements: announcements.iter().map(Into::into).collect(),
            }),
        };
        proto::MessageWrapper { kind: Some(kind) }.encode_to_vec()
    }
}

impl Incoming {
    /// Reads a message of the stream.
    ///
    /// # Errors
    ///
    /// When anything in it has not the form that it must have; then nothing of it counts.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        // Two bytes may stand for an empty announcement, so what is read of a message takes some megabytes at most.
        if bytes.len() > MAX_MESSAGE_LEN {
            return Err(Malformed::TooLong);
        }
        let wrapper = proto::MessageWrapper::decode(bytes).map_err(|_| Malformed::Encoding)?;
        match wrapper.kind.ok_or(Malformed::Unknown)? {
            proto::Kind::Announcement(announcement) => {
                Unverified::try_from(announcement).map(Self::Announcement)
            }
            proto::Kind::Reconcile(proto::Reconcile { announcements }) => {
                if announcements.len() > MAX_ORACLES {
                    return Err(Malformed::Announcements);
                }
                let announcements = announcements.into_iter().map(Unverified::try_from);
                announcements.collect::<Result<_, _>>().map(Self::Reconcile)
            }
        }
    }
}

impl Announcement {
    /// Its bytes, as they are kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        proto::SignedAnnouncement::from(self).encode_to_vec()
    }
}

impl Unverified {
    /// Reads an announcement that was kept.
    ///
    /// # Errors
    ///
    /// When it has not the form of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_MESSAGE_LEN {
            return Err(Malformed::TooLong);
        }
        let announcement = proto::SignedAnnouncement::decode(bytes);
        announcement.map_err(|_| Malformed::Encoding)?.try_into()
    }
}

impl From<&Announcement> for proto::SignedAnnouncement {
    fn from(announcement: &Announcement) -> Self {
        let endpoints = announcement.endpoints().as_slice().iter();
        Self {
            addresses: endpoints.map(|e| e.as_str().into()).collect(),
            counter: announcement.counter(),
            public_key: announcement.announcer().public_key().as_bytes().to_vec(),
            signature: announcement.signature().to_vec(),
        }
    }
}

impl TryFrom<proto::SignedAnnouncement> for Unverified {
    type Error = Malformed;

    fn try_from(announcement: proto::SignedAnnouncement) -> Result<Self, Malformed> {
        let addresses = announcement.addresses;
        if !(1..=MAX_ENDPOINTS).contains(&addresses.len()) {
            return Err(Malformed::Endpoints);
        }
        let endpoints = addresses.iter().map(|address| {
            let text = str::from_utf8(address).ok();
            text.and_then(|text| text.parse().ok())
        });
        let endpoints: Option<Vec<Endpoint>> = endpoints.collect();
        let endpoints = endpoints.ok_or(Malformed::Endpoint)?;
        let key = <[u8; 32]>::try_from(announcement.public_key).map_err(|_| Malformed::Key)?;
        if announcement.signature.is_empty() {
            return Err(Malformed::Unsigned);
        }
        Ok(Self {
            announcer: PublicKey::from_bytes(key).into(),
            endpoints: Endpoints::try_from(endpoints).map_err(|_| Malformed::Endpoints)?,
            counter: announcement.counter,
            signature: announcement.signature,
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a message is too long",
            Self::Encoding => "a message is not in protocol buffers",
            Self::Unknown => "a message is of no known kind",
            Self::Announcements => "there are more announcements than oracles can be",
            Self::Endpoints => "an announcement has no address, or more than ten",
            Self::Endpoint => "an announced address is not an IP address and a port",
            Self::Key => "the key of an announcement has not 32 bytes",
            Self::Unsigned => "an announcement is not signed",
        })
    }
}

impl error::Error for Malformed {}

/// What goes over the wire, before anything is known of it.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MessageWrapper {
        #[prost(oneof = "Kind", tags = "2, 3")]
        pub(super) kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Kind {
        #[prost(message, tag = "2")]
        Announcement(SignedAnnouncement),
        #[prost(message, tag = "3")]
        Reconcile(Reconcile),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Reconcile {
        #[prost(message, repeated, tag = "1")]
        pub(super) announcements: Vec<SignedAnnouncement>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SignedAnnouncement {
        #[prost(bytes = "vec", repeated, tag = "1")]
        pub(super) addresses: Vec<Vec<u8>>,
        #[prost(uint64, tag = "2")]
        pub(super) counter: u64,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) public_key: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub(super) signature: Vec<u8>,
    }
}

#[cfg(test)]
mod tests;
