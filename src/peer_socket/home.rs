//! What one origin and debug identity has on a network: its swarms and its connections.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::{Guard, Topic, links::Links, network::Node, swarm::SwarmShared};
use crate::PublicKey;
use crate::lock::lock;

pub(super) struct Home {
    pub(super) key: PublicKey,
    pub(super) options: Arc<Options>,
    pub(super) node: Box<dyn Node>,
    pub(super) swarms: Mutex<HashMap<Topic, Arc<SwarmShared>>>,
    /// Goes up whenever a swarm is joined or left.
    version: AtomicU64,
    pub(super) generation: AtomicU64,
    pub(super) links: Links,
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
            links: Links::default(),
            joining: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }

    /// The swarms that are joined, where that changed since `seen`.
    pub(super) fn swarms_since(&self, seen: &mut Option<u64>) -> Option<Vec<Arc<SwarmShared>>> {
        let swarms = lock(&self.swarms);
        let version = self.version.load(Ordering::Acquire);
        if seen.replace(version) == Some(version) {
            return None;
        }
        Some(swarms.values().cloned().collect())
    }

    pub(super) fn insert(&self, swarm: Arc<SwarmShared>) {
        let mut swarms = lock(&self.swarms);
        swarms.insert(swarm.topic, swarm);
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn forget(&self, swarm: &SwarmShared) {
        let mut swarms = lock(&self.swarms);
        let is_it = |other: &Arc<SwarmShared>| other.generation == swarm.generation;
        if swarms.get(&swarm.topic).is_some_and(is_it) {
            swarms.remove(&swarm.topic);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        drop(swarms);
        self.links.wake();
    }
}
