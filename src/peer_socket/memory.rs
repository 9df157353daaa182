//! A network within one program.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, Weak},
};

use futures_util::{FutureExt as _, future::BoxFuture, stream};
use tokio::{io::duplex, sync::mpsc};

use super::{
    Guard, Topic,
    network::{Link, Membership, Network, Node, Presence},
};
use crate::lock::lock;
use crate::{Error, Identity, PublicKey};

/// A network within one program, for tests and for trying things out. Clones are of the same.
///
/// See [`PeerSockets`](super::PeerSockets) for an example.
#[derive(Clone, Default)]
pub struct MemoryHub(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: HashMap<PublicKey, mpsc::Sender<Link>>,
    topics: HashMap<Topic, HashSet<PublicKey>>,
    /// Which pairs are connected, the smaller key first; and which connection it is.
    connected: HashMap<(PublicKey, PublicKey), u64>,
    serial: u64,
}

/// How many bytes each direction of a connection holds: as many as a pipe (pipe(7)).
const BUFFER: usize = 64 * 1024;

/// How many connections wait to be taken. More wait in those who join.
const LINKS: usize = 16;

struct MemoryNode {
    hub: MemoryHub,
    key: PublicKey,
    links: mpsc::Sender<Link>,
}

struct MemoryMembership {
    hub: MemoryHub,
    key: PublicKey,
    topic: Topic,
}

/// That two are connected.
struct Lease {
    hub: Weak<Mutex<State>>,
    pair: (PublicKey, PublicKey),
    serial: u64,
}

impl MemoryHub {
    /// A network that nobody is on.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many peers announce a topic.
    pub fn members(&self, topic: &Topic) -> usize {
        lock(&self.0).topics.get(topic).map_or(0, HashSet::len)
    }

    fn leave(&self, key: PublicKey, topic: Topic) {
        let mut state = lock(&self.0);
        if let Some(members) = state.topics.get_mut(&topic) {
            members.remove(&key);
            if members.is_empty() {
                state.topics.remove(&topic);
            }
        }
    }

    /// The connections of one who joins a topic to those who are there, and who gets them.
    fn join(&self, key: PublicKey, topic: Topic) -> Result<Vec<(mpsc::Sender<Link>, Link)>, Error> {
        let state = &mut *lock(&self.0);
        let members = state.topics.entry(topic).or_default();
        members.insert(key);
        let others: Vec<_> = members
            .iter()
            .copied()
            .filter(|other| *other != key)
            .collect();
        let mut links = Vec::new();
        for other in others {
            let pair = (key.min(other), key.max(other));
            let (Some(us), Some(them)) = (state.nodes.get(&key), state.nodes.get(&other)) else {
                continue;
            };
            if state.connected.contains_key(&pair) {
                continue;
            }
            let mut hash = [0; 64];
            getrandom::fill(&mut hash).map_err(std::io::Error::from)?;
            state.serial = state.serial.wrapping_add(1);
            let serial = state.serial;
            state.connected.insert(pair, serial);
            let lease = || Lease {
                hub: Arc::downgrade(&self.0),
                pair,
                serial,
            };
            let (a, b) = duplex(BUFFER);
            let ours = Link::over(a, other, hash).initiator(true).lease(lease());
            let theirs = Link::over(b, key, hash).lease(lease());
            links.push((us.clone(), ours));
            links.push((them.clone(), theirs));
        }
        Ok(links)
    }
}

impl Network for MemoryHub {
    fn open(&self, identity: Identity, _: Guard) -> BoxFuture<'_, Result<Presence, Error>> {
        let key = identity.public_key();
        let (sender, receiver) = mpsc::channel(LINKS);
        lock(&self.0).nodes.insert(key, sender.clone());
        let node = MemoryNode {
            hub: self.clone(),
            key,
            links: sender,
        };
        let links = stream::unfold(receiver, async |mut receiver| {
            Some((receiver.recv().await?, receiver))
        });
        let presence = Presence::new(node, links);
        async { Ok(presence) }.boxed()
    }
}

impl Node for MemoryNode {
    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<Box<dyn Membership>, Error>> {
        async move {
            let membership = MemoryMembership {
                hub: self.hub.clone(),
                key: self.key,
                topic,
            };
            for (to, link) in self.hub.join(self.key, topic)? {
                // Who is gone needs it no more.
                let _ = to.send(link).await;
            }
            Ok(Box::new(membership) as Box<dyn Membership>)
        }
        .boxed()
    }
}

impl Drop for MemoryNode {
    fn drop(&mut self) {
        let mut state = lock(&self.hub.0);
        let is_ours = |links: &mpsc::Sender<Link>| links.same_channel(&self.links);
        if state.nodes.get(&self.key).is_some_and(is_ours) {
            state.nodes.remove(&self.key);
        }
    }
}

impl Membership for MemoryMembership {
    fn leave(self: Box<Self>) -> BoxFuture<'static, ()> {
        drop(self);
        std::future::ready(()).boxed()
    }
}

impl Drop for MemoryMembership {
    fn drop(&mut self) {
        self.hub.leave(self.key, self.topic);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(state) = self.hub.upgrade() {
            let mut state = lock(&state);
            if state.connected.get(&self.pair) == Some(&self.serial) {
                state.connected.remove(&self.pair);
            }
        }
    }
}

impl fmt::Debug for MemoryHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHub").finish_non_exhaustive()
    }
}
