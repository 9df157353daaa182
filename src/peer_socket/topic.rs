//! Which swarm: its id, and the topic under which its peers find each other.

use std::fmt;

use blake2::{
    Blake2b, Blake2bMac, Digest as _,
    digest::{FixedOutput as _, KeyInit as _, Update as _, consts::U32},
};

/// Names a swarm to join.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SwarmId {
    /// The swarm of all who join it by this name, whatever their origin.
    Open(String),
    /// The swarm of those of the same origin.
    Origin,
}

/// What kind of swarm it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SwarmKind {
    /// Everybody may join who knows its id.
    Open,
    /// For those of one origin.
    Origin,
}

/// Under which 32 bytes the peers of a swarm find each other: the BLAKE2b-256 of `peersocket-open-ID` or
/// `peersocket-origin-ORIGIN`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic([u8; 32]);

impl SwarmId {
    /// An open swarm.
    pub fn open(id: impl Into<String>) -> Self {
        Self::Open(id.into())
    }

    /// Of what kind it is.
    pub fn kind(&self) -> SwarmKind {
        match self {
            Self::Open(_) => SwarmKind::Open,
            Self::Origin => SwarmKind::Origin,
        }
    }

    /// Its topic, for somebody of this origin.
    pub fn topic(&self, origin: &str) -> Topic {
        match self {
            Self::Open(id) => Topic::open(id),
            Self::Origin => Topic::origin(origin),
        }
    }
}

impl Topic {
    /// That of an open swarm.
    ///
    /// ```
    /// use tower_multiserver::peer_socket::Topic;
    ///
    /// let topic = Topic::open("pauls-chat-room").to_string();
    /// assert_eq!(topic, "459f50a0232969544eb1eb68c14d9d7757b9fbb71f78d6f7f127611d257ec136");
    /// ```
    pub fn open(id: &str) -> Self {
        Self::of("open", id)
    }

    /// That of the swarm of an origin.
    pub fn origin(origin: &str) -> Self {
        Self::of("origin", origin)
    }

    /// The topic with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(kind: &str, name: &str) -> Self {
        let mut hash = Blake2b::<U32>::new();
        for part in ["peersocket-", kind, "-", name] {
            blake2::Digest::update(&mut hash, part);
        }
        Self(hash.finalize().into())
    }

    /// The id of its channel on one connection. Who does not know the topic does not learn it, nor can open the channel.
    pub(super) fn channel_id(&self, handshake_hash: &[u8; 64]) -> [u8; 32] {
        let mut mac = Blake2bMac::<U32>::new(handshake_hash.into());
        mac.update(&self.0);
        mac.finalize_fixed().into()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_browser() {
        // Computed with libsodium from the strings of beaker-core's branch `peersocketapi`, 2018.
        for (topic, hex) in [
            (
                Topic::open("pauls-chat-room"),
                "459f50a0232969544eb1eb68c14d9d7757b9fbb71f78d6f7f127611d257ec136",
            ),
            (
                SwarmId::Origin.topic("dat://beakerbrowser.com"),
                "34915822ecdbcf270ef3220e96f07d6866157c27d43570632186b01affd0bf62",
            ),
        ] {
            assert_eq!(topic.to_string(), hex);
        }
    }

    #[test]
    fn an_id_may_be_any_text() {
        let mut hash = Blake2b::<U32>::new();
        blake2::Digest::update(&mut hash, "peersocket-open-žluť:~;👋".as_bytes());
        let topic = SwarmId::open("žluť:~;👋").topic("http://example.com");
        assert_eq!(topic.as_bytes()[..], hash.finalize()[..]);
    }

    #[test]
    fn a_channel_id_is_of_one_topic_on_one_connection() {
        let [a, b] = ["a", "b"].map(Topic::open);
        assert_eq!(a.channel_id(&[1; 64]), a.channel_id(&[1; 64]));
        assert_ne!(a.channel_id(&[1; 64]), a.channel_id(&[2; 64]));
        assert_ne!(a.channel_id(&[1; 64]), b.channel_id(&[1; 64]));
        assert_ne!(&a.channel_id(&[1; 64]), a.as_bytes());
    }
}
