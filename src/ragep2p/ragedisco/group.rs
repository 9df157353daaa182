//! Who shall find whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use tower_multiserver_core::{Address, PeerId};

/// The name of a group, such as the digest of its configuration. It is known here only, and never sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupDigest([u8; 32]);

/// Peers that shall find each other: the oracles, and the bootstrappers that help them.
///
/// A bootstrapper is a peer whose addresses are configured. It is told of the oracles, and nobody of it, unless it is an
/// oracle too.
///
/// ```
/// use tower_multiserver::{Identity, ragep2p::ragedisco::Group};
///
/// let [alice, bob, carol] = [Identity::generate()?, Identity::generate()?, Identity::generate()?];
/// let group = Group::new([alice.public_key().into(), bob.public_key().into()])
///     .bootstrapper(carol.public_key().into(), ["net:carol.example:6690".parse()?]);
/// assert_eq!(group.peers().count(), 3);
/// # Ok::<(), tower_multiserver::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    oracles: BTreeSet<PeerId>,
    bootstrappers: BTreeMap<PeerId, Vec<Address>>,
}

impl GroupDigest {
    /// The digest of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Group {
    /// A group of these oracles, without bootstrappers.
    pub fn new(oracles: impl IntoIterator<Item = PeerId>) -> Self {
        Self {
            oracles: oracles.into_iter().collect(),
            bootstrappers: BTreeMap::new(),
        }
    }

    /// Adds a bootstrapper, and the ways to it: the part of its address that stands before `~knock`, such as
    /// `net:example.org:6690`.
    #[must_use]
    pub fn bootstrapper(
        mut self,
        peer: PeerId,
        addresses: impl IntoIterator<Item = Address>,
    ) -> Self {
        let known = self.bootstrappers.entry(peer).or_default();
        known.extend(addresses);
        self
    }

    /// The oracles, in the order of their keys.
    pub fn oracles(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.oracles.iter().copied()
    }

    /// Oracles and bootstrappers, each once.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        let others = self.bootstrappers.keys();
        let others = others.filter(|peer| !self.oracles.contains(peer));
        self.oracles.iter().chain(others).copied()
    }

    pub(super) fn bootstrappers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.bootstrappers.keys().copied()
    }

    pub(super) fn has_oracle(&self, peer: PeerId) -> bool {
        self.oracles.contains(&peer)
    }

    pub(super) fn has_peer(&self, peer: PeerId) -> bool {
        self.has_oracle(peer) || self.bootstrappers.contains_key(&peer)
    }

    /// What is configured of the ways to `peer`.
    pub(super) fn ways_to(&self, peer: PeerId) -> &[Address] {
        self.bootstrappers
            .get(&peer)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

impl fmt::Display for GroupDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GroupDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupDigest({self})")
    }
}
