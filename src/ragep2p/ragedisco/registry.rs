//! Who is where, and who may know it: the protocol, without IO and without a clock.

mod outcome;

use std::collections::{BTreeMap, BTreeSet};

use tower_multiserver_core::{Address, Identity, PeerId};

pub use self::outcome::{Added, CounterSpent, GroupError, Outgoing, Received, Refusal, Removed};
use super::{
    Announcement, Endpoints, Entry, Group, GroupDigest, Incoming, MAX_ORACLES, Message, Unverified,
};

/// What we know of the peers of our groups, and what we announce of ourselves.
///
/// Whoever runs it passes on what comes from peers ([`receive`](Self::receive)), and sends what it is told to send; so it
/// does at the start and then every while with all that the peers may know ([`reconcile`](Self::reconcile)).
///
/// Two programs with one key and different addresses outbid each other's announcements for as long as both run.
///
/// ```
/// use tower_multiserver::{
///     Identity,
///     ragep2p::ragedisco::{Endpoint, Group, GroupDigest, Incoming, Registry},
/// };
///
/// let [alice, bob] = [Identity::generate()?, Identity::generate()?];
/// let group = Group::new([alice.public_key().into(), bob.public_key().into()]);
/// let digest = GroupDigest::from_bytes([7; 32]);
///
/// let at_alice: Endpoint = "203.0.113.1:6690".parse()?;
/// let mut of_alice = Registry::new(alice.clone(), at_alice.into());
/// of_alice.add_group(digest, group.clone())?;
///
/// let at_bob: Endpoint = "203.0.113.2:6690".parse()?;
/// let mut of_bob = Registry::new(bob, at_bob.into());
/// of_bob.add_group(digest, group)?;
///
/// for outgoing in of_alice.reconcile() {
///     let incoming = Incoming::decode(&outgoing.message.encode())?;
///     of_bob.receive(alice.public_key().into(), incoming);
/// }
/// let found = of_bob.find(alice.public_key().into());
/// assert_eq!(found, ["net:203.0.113.1:6690".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    identity: Identity,
    /// Whatever we said of ourselves last.
    own: Announcement,
    /// The best of each other peer that is an oracle in one of the groups.
    best: BTreeMap<PeerId, Announcement>,
    groups: BTreeMap<GroupDigest, Group>,
}

/// How many there are of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// In all groups, without ourselves.
    pub(super) peers: usize,
    /// Of whom we have an announcement.
    pub(super) discovered: usize,
    /// Whose addresses are configured.
    pub(super) bootstrappers: usize,
}

/// A peer that moves every minute gets here in 190 years; more likely something counts in a loop.
const HIGH_COUNTER: u64 = 100_000_000;

impl Registry {
    /// Announces that `identity` is at `endpoints`. There are no groups yet.
    pub fn new(identity: Identity, endpoints: Endpoints) -> Self {
        Self {
            own: Announcement::sign(&identity, endpoints, 0),
            identity,
            best: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// What we announce.
    pub fn own(&self) -> &Announcement {
        &self.own
    }

    /// Announces other addresses. Nothing happens if they are the same, in the same order.
    ///
    /// # Errors
    ///
    /// When the last announcement had the highest counter that there is; then it stays.
    pub fn set_endpoints(&mut self, endpoints: Endpoints) -> Result<Vec<Outgoing>, CounterSpent> {
        match &endpoints == self.own.endpoints() {
            true => Ok(Vec::new()),
            false => self.announce(endpoints, self.own.counter()),
        }
    }

    /// Adds a group, whether or not we are one of its peers.
    ///
    /// # Errors
    ///
    /// When there is one of this digest, or when all groups together would have more than [`MAX_ORACLES`] oracles. Then
    /// nothing has changed.
    pub fn add_group(&mut self, digest: GroupDigest, group: Group) -> Result<Added, GroupError> {
        if self.groups.contains_key(&digest) {
            return Err(GroupError::Exists);
        }
        let known: BTreeSet<_> = self.groups.values().flat_map(Group::oracles).collect();
        let oracles = group.oracles().filter(|peer| !known.contains(peer));
        let oracles: Vec<_> = oracles.collect();
        if known.len().saturating_add(oracles.len()) > MAX_ORACLES {
            return Err(GroupError::TooManyOracles);
        }
        let peers = group.peers().filter(|peer| !self.is_peer(*peer));
        let peers = peers.filter(|peer| *peer != self.id()).collect();
        self.groups.insert(digest, group);
        Ok(Added { peers, oracles })
    }

    /// Removes a group and forgets those who are in no other. `None` if there is none of this digest.
    pub fn remove_group(&mut self, digest: GroupDigest) -> Option<Removed> {
        let gone = self.groups.remove(&digest)?;
        let peers = gone.peers().filter(|peer| !self.is_peer(*peer));
        let peers = peers.filter(|peer| *peer != self.id()).collect();
        let oracles = gone.oracles().filter(|peer| !self.is_oracle(*peer));
        let oracles: Vec<_> = oracles.collect();
        let forgotten = oracles.iter().filter_map(|peer| self.best.remove(peer));
        let entries = forgotten.map(|best| Entry::of(&best)).collect();
        Some(Removed { peers, entries })
    }

    pub(super) fn counts(&self) -> Counts {
        let groups = self.groups.values();
        Counts {
            peers: self.peers().len(),
            discovered: self.best.len(),
            bootstrappers: groups
                .flat_map(Group::bootstrappers)
                .collect::<BTreeSet<_>>()
                .len(),
        }
    }

    /// The peers of all groups, without ourselves: those to talk to.
    pub fn peers(&self) -> BTreeSet<PeerId> {
        let peers = self.groups.values().flat_map(Group::peers);
        peers.filter(|peer| *peer != self.id()).collect()
    }

    /// Takes what `from` says. Each announcement in it is judged by itself.
    pub fn receive(&mut self, from: PeerId, message: Incoming) -> Received {
        let mut received = Received::default();
        if !self.is_peer(from) {
            received.refused.push((from, Refusal::Stranger));
            return received;
        }
        match message {
            Incoming::Announcement(announcement) => self.judge(announcement, &mut received),
            Incoming::Reconcile(announcements) => {
                for announcement in announcements {
                    self.judge(announcement, &mut received);
                }
            }
        }
        received
    }

    /// Takes what was kept of peers. It is trusted no more than if a peer said it.
    pub fn load(&mut self, entries: impl IntoIterator<Item = Entry>) -> Received {
        let mut received = Received::default();
        for Entry { peer, announcement } in entries {
            match Unverified::from_bytes(&announcement) {
                Ok(announcement) if announcement.announcer() == peer => {
                    self.judge(announcement, &mut received);
                }
                _ => received.refused.push((peer, Refusal::Entry)),
            }
        }
        received
    }

    /// What to tell all peers at the start and every while: to each, all that it may know.
    pub fn reconcile(&self) -> Vec<Outgoing> {
        let messages = self.peers().into_iter().map(|to| {
            let told = self.announcements().filter(|of| self.may_know(to, of));
            (to, told.cloned().collect::<Vec<_>>())
        });
        let messages = messages.filter(|(_, told)| !told.is_empty());
        let message = |(to, told)| Outgoing {
            to,
            message: Message::Reconcile(told),
        };
        messages.map(message).collect()
    }

    /// The ways to `peer`, each once: those that are configured of a bootstrapper, in random order, then those that it
    /// announces, in its order. A peer may announce any address, one of this machine too: only a handshake shows who is
    /// there.
    pub fn find(&self, peer: PeerId) -> Vec<Address> {
        let mut found = Vec::new();
        let configured = self.groups.values().flat_map(|group| group.ways_to(peer));
        add_new(&mut found, configured.cloned());
        // So that not all begin with the same address.
        fastrand::shuffle(&mut found);
        if let Some(best) = self.best.get(&peer) {
            let endpoints = best.endpoints().as_slice().iter();
            add_new(&mut found, endpoints.map(|endpoint| endpoint.to_address()));
        }
        found
    }

    /// What is to be kept: the best announcement of each peer, and our own.
    pub fn snapshot(&self) -> Vec<Entry> {
        self.announcements().map(Entry::of).collect()
    }

    fn judge(&mut self, announcement: Unverified, received: &mut Received) {
        let announcer = announcement.announcer();
        if !self.is_oracle(announcer) {
            received.refused.push((announcer, Refusal::NoOracle));
            return;
        }
        let is_own = announcer == self.id();
        let is_news = match self.best.get(&announcer) {
            _ if is_own => announcement.counter >= self.own.counter(),
            Some(best) => announcement.counter > best.counter(),
            None => true,
        };
        // Most of what peers say is known, and to verify is the costly part.
        if !is_news {
            return;
        }
        let Ok(announcement) = announcement.verify() else {
            received.refused.push((announcer, Refusal::Signature));
            return;
        };
        if !is_own {
            self.best.insert(announcer, announcement);
            received.learned.push(announcer);
        } else if announcement.endpoints() == self.own.endpoints() {
            self.own = announcement;
        } else {
            let endpoints = self.own.endpoints().clone();
            match self.announce(endpoints, announcement.counter()) {
                Ok(send) => received.send.extend(send),
                Err(CounterSpent) => received.refused.push((announcer, Refusal::LastOfOurs)),
            }
        }
    }

    /// Replaces whatever we announced with the counter `after`.
    fn announce(
        &mut self,
        endpoints: Endpoints,
        after: u64,
    ) -> Result<Vec<Outgoing>, CounterSpent> {
        let counter = after.checked_add(1).ok_or(CounterSpent)?;
        if counter > HIGH_COUNTER {
            tracing::warn!(counter, "the counter of our announcement is very high");
        }
        self.own = Announcement::sign(&self.identity, endpoints, counter);
        let told = self.peers().into_iter();
        let told = told.filter(|peer| self.may_know(*peer, &self.own));
        let message = |to| Outgoing {
            to,
            message: Message::Announcement(self.own.clone()),
        };
        Ok(told.map(message).collect())
    }

    fn id(&self) -> PeerId {
        self.own.announcer()
    }

    /// Ours and the best of all others.
    fn announcements(&self) -> impl Iterator<Item = &Announcement> {
        std::iter::once(&self.own).chain(self.best.values())
    }

    fn is_oracle(&self, peer: PeerId) -> bool {
        self.groups.values().any(|group| group.has_oracle(peer))
    }

    fn is_peer(&self, peer: PeerId) -> bool {
        self.groups.values().any(|group| group.has_peer(peer))
    }

    /// Whether there is a group in which `peer` is and the announcer is an oracle.
    fn may_know(&self, peer: PeerId, announcement: &Announcement) -> bool {
        let announcer = announcement.announcer();
        let mut groups = self.groups.values();
        groups.any(|group| group.has_oracle(announcer) && group.has_peer(peer))
    }
}

fn add_new(found: &mut Vec<Address>, addresses: impl Iterator<Item = Address>) {
    for address in addresses {
        if !found.contains(&address) {
            found.push(address);
        }
    }
}

#[cfg(test)]
mod tests;
