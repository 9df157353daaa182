//! One origin and debug identity on a network: its connections, its swarms, and the task that owns them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream::BoxStream};
use serde_json::Value;
use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Swarm, SwarmId, Topic, link,
    network::{Link, Node, Presence},
    peers::Options,
    session_data,
    swarm::SwarmShared,
};
use crate::lock::lock;
use crate::{Error, ErrorKind, PublicKey};

/// How long the connections may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Home {
    pub(super) key: PublicKey,
    pub(super) options: Arc<Options>,
    node: Box<dyn Node>,
    swarms: Mutex<HashMap<Topic, Arc<SwarmShared>>>,
    /// Goes up whenever a swarm is joined or left.
    version: AtomicU64,
    generation: AtomicU64,
    links: Mutex<HashMap<PublicKey, Arc<LinkEntry>>>,
    /// One joins after the other, so that two do not join the same.
    joining: tokio::sync::Mutex<()>,
    closing: CancellationToken,
    closed: CancellationToken,
}

/// A connection.
pub(super) struct LinkEntry {
    serial: u64,
    /// Wakes who writes to it.
    pub(super) work: Arc<Notify>,
    /// It is to end: in good order, or because another has come.
    pub(super) closing: CancellationToken,
    pub(super) replaced: AtomicBool,
    /// How many channels it has.
    pub(super) channels: AtomicUsize,
}

/// Keeps a home alive. When it is dropped all is cut.
pub(super) struct HomeOwner {
    pub(super) home: Arc<Home>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for HomeOwner {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
        self.home.closed.cancel();
    }
}

impl HomeOwner {
    pub(super) fn start(key: PublicKey, options: Arc<Options>, presence: Presence) -> Arc<Self> {
        let home = Arc::new(Home {
            key,
            options,
            node: presence.node,
            swarms: Mutex::default(),
            version: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            links: Mutex::default(),
            joining: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        });
        let task = tokio::spawn(home.clone().run(presence.links));
        Arc::new(Self {
            home,
            task: Mutex::new(Some(task)),
        })
    }

    /// Joins a swarm, or finds that it is joined. `None` when this goes off the network.
    pub(super) async fn join(
        self: &Arc<Self>,
        id: SwarmId,
        topic: Topic,
        session: Option<Value>,
    ) -> Result<Option<Swarm>, Error> {
        let home = &self.home;
        let session = match session {
            Some(value) => {
                let json = session_data::encode(&value);
                let json = json.map_err(|error| Error::new(ErrorKind::Limit, error))?;
                Some((value, json))
            }
            None => None,
        };
        let _turn = home.joining.lock().await;
        if home.closing.is_cancelled() {
            return Ok(None);
        }
        let known = lock(&home.swarms).get(&topic).cloned();
        if let Some(swarm) = known.and_then(|swarm| swarm.handle()) {
            if let Some((value, _)) = session {
                // It was encoded above.
                let _ = swarm.loopback().set_session_data(value);
            }
            return Ok(Some(swarm));
        }
        let generation = home.generation.fetch_add(1, Ordering::Relaxed);
        let swarm = SwarmShared::new(id, topic, generation, home, session);
        home.insert(swarm.clone());
        let forget = Forget(&swarm);
        let membership = home.node.join(topic).await?;
        std::mem::forget(forget);
        let joined = swarm.joined(membership, self.clone());
        home.wake_links();
        Ok(Some(joined))
    }

    /// Ends in good order where no swarm is joined any more.
    pub(super) async fn close_if_idle(&self) {
        let home = &self.home;
        {
            let _turn = home.joining.lock().await;
            if !lock(&home.swarms).is_empty() || home.closing.is_cancelled() {
                return;
            }
            home.closing.cancel();
        }
        let task = lock(&self.task).take();
        if let Some(mut task) = task
            && timeout(CLOSE_TIMEOUT, &mut task).await.is_err()
        {
            task.abort();
        }
        let _ = timeout(CLOSE_TIMEOUT, home.node.close()).await;
        home.closed.cancel();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.home.closing.is_cancelled()
    }

    /// Waits until it is off the network, where it is being closed.
    pub(super) fn closed(&self) -> CancellationToken {
        self.home.closed.clone()
    }
}

/// Takes a swarm back that could not be joined, or was not waited for.
struct Forget<'a>(&'a Arc<SwarmShared>);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Home {
    async fn run(self: Arc<Self>, mut links: BoxStream<'static, Link>) {
        let mut tasks = JoinSet::new();
        let mut serial = 0;
        let mut more = true;
        loop {
            tokio::select! {
                () = self.closing.cancelled() => break,
                link = links.next(), if more => match link {
                    Some(link) => {
                        serial += 1;
                        if let Some(entry) = self.admit(&link, serial) {
                            tasks.spawn(self.clone().serve(link, entry));
                        }
                    }
                    None => more = false,
                },
                Some(ended) = tasks.join_next() => tell(ended),
            }
        }
        for entry in lock(&self.links).values() {
            entry.closing.cancel();
        }
        while let Some(ended) = tasks.join_next().await {
            tell(ended);
        }
    }

    /// A place for a connection, if there is one for its peer.
    fn admit(&self, link: &Link, serial: u64) -> Option<Arc<LinkEntry>> {
        let peer = link.info.id;
        if peer == self.key || self.options.is_banned(&peer) {
            return None;
        }
        let mut links = lock(&self.links);
        if let Some(former) = links.remove(&peer) {
            former.replaced.store(true, Ordering::Release);
            former.closing.cancel();
        }
        if links.len() >= self.options.max_peers {
            // Who shares no swarm with us makes room.
            let idle = links
                .iter()
                .filter(|(_, entry)| entry.channels.load(Ordering::Acquire) == 0)
                .min_by_key(|(_, entry)| entry.serial)
                .map(|(peer, _)| *peer);
            let Some(entry) = idle.and_then(|idle| links.remove(&idle)) else {
                tracing::debug!(%peer, "refused: there are too many peers");
                return None;
            };
            entry.closing.cancel();
        }
        let entry = Arc::new(LinkEntry {
            serial,
            work: Arc::new(Notify::new()),
            closing: CancellationToken::new(),
            replaced: AtomicBool::new(false),
            channels: AtomicUsize::new(0),
        });
        links.insert(peer, entry.clone());
        Some(entry)
    }

    async fn serve(self: Arc<Self>, link: Link, entry: Arc<LinkEntry>) {
        let peer = link.info.id;
        let _place = Place {
            home: &self,
            peer,
            serial: entry.serial,
        };
        let ask = async { link.authorized || self.options.authorize(link.info).await };
        let allowed = tokio::select! {
            allowed = ask => allowed,
            () = entry.closing.cancelled() => false,
        };
        match allowed {
            true => link::run(&self, link, &entry).await,
            false => tracing::debug!(%peer, "the peer is not let in"),
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

    fn insert(&self, swarm: Arc<SwarmShared>) {
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
        self.wake_links();
    }

    pub(super) fn wake_links(&self) {
        for entry in lock(&self.links).values() {
            entry.work.notify_one();
        }
    }

    /// Ends the connection to a peer.
    pub(super) fn cut(&self, peer: &PublicKey) {
        if let Some(entry) = lock(&self.links).remove(peer) {
            entry.closing.cancel();
        }
    }
}

/// The place of a connection, which is free when it has ended, however it does.
struct Place<'a> {
    home: &'a Home,
    peer: PublicKey,
    serial: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut links = lock(&self.home.links);
        if links
            .get(&self.peer)
            .is_some_and(|entry| entry.serial == self.serial)
        {
            links.remove(&self.peer);
        }
    }
}

fn tell(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the authorization panicked"
        );
    }
}
