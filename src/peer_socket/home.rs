//! What one origin and debug identity has on a network: its swarms and its connections.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Guard, SwarmId, Topic, links::Links, network::Node, roster::Roster};
use crate::PublicKey;
use crate::lock::lock;

pub(super) struct Home {
    pub(super) key: PublicKey,
    pub(super) options: Arc<Options>,
    pub(super) node: Box<dyn Node>,
    pub(super) swarms: Mutex<BTreeMap<Topic, Arc<Roster>>>,
    /// Goes up whenever a swarm is joined or left.
    version: AtomicU64,
    generation: AtomicU64,
    pub(super) links: Arc<Links>,
    /// One joins after the other, so that two do not join the same.
    pub(super) joining: tokio::sync::Mutex<()>,
    pub(super) closing: CancellationToken,
    pub(super) closed: CancellationToken,
}

/// What was set.
pub(super) struct Options {
    pub(super) max_peers: usize,
    pub(super) max_message: usize,
    pub(super) guard: Guard,
}

impl Home {
    pub(super) fn new(key: PublicKey, options: Arc<Options>, node: Box<dyn Node>) -> Self {
        Self {
            key,
            options,
            node,
            swarms: Mutex::default(),
            version: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            links: Arc::default(),
            joining: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }

    /// The swarms that are joined, where that changed since `seen`.
    pub(super) fn swarms_since(&self, seen: &mut Option<u64>) -> Option<Vec<Arc<Roster>>> {
        let swarms = lock(&self.swarms);
        let version = self.version.load(Ordering::Acquire);
        if seen.replace(version) == Some(version) {
            return None;
        }
        Some(swarms.values().cloned().collect())
    }

    /// A swarm that is to be joined.
    pub(super) fn insert(
        &self,
        id: SwarmId,
        topic: Topic,
        session: Option<(Value, Bytes)>,
    ) -> Arc<Roster> {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let max_message = self.options.max_message;
        let links = self.links.clone();
        let swarm = Roster::new(id, topic, generation, self.key, max_message, links, session);
        let mut swarms = lock(&self.swarms);
        swarms.insert(topic, swarm.clone());
        self.version.fetch_add(1, Ordering::AcqRel);
        swarm
    }

    /// Has the connections know a swarm no more. False when it was left before.
    pub(super) fn leave(&self, swarm: &Roster) -> bool {
        let leaves = swarm.leave();
        if leaves {
            self.forget(swarm);
        }
        leaves
    }

    fn forget(&self, swarm: &Roster) {
        let mut swarms = lock(&self.swarms);
        let is_it = |other: &Arc<Roster>| other.generation == swarm.generation;
        if swarms.get(&swarm.topic).is_some_and(is_it) {
            swarms.remove(&swarm.topic);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        drop(swarms);
        self.links.wake();
    }
}
