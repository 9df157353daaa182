//! What runs the [`Registry`]: streams to the peers, a clock, and a store.

mod keeper;
mod links;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::stream::BoxStream;
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};
use tower_multiserver_core::{Address, BoxError, PeerId};

use self::{keeper::Keeper, links::Links};
use super::{
    Added, CounterSpent, Endpoints, Entry, Group, GroupDigest, GroupError, Incoming, MIN_INTERVAL,
    Outgoing, Received, Registry, Removed, SAVE_INTERVAL, Store, metrics::Metrics,
};
use crate::lock::lock;

/// Opens the streams of the name [`STREAM_NAME`](super::STREAM_NAME), with the limits that stand beside it.
pub(in crate::ragep2p) trait Streams: Send + 'static {
    /// A stream to `peer`, to which there is none. It lasts over connections; dropping both halves closes it.
    fn open(&mut self, peer: PeerId) -> Result<(Sender, Receiver), BoxError>;
}

/// Sends a message, whenever there is a connection; the newest are kept until then.
pub(in crate::ragep2p) type Sender = Box<dyn FnMut(Vec<u8>) + Send>;

/// What comes from the peer. It ends when somebody else closes the stream.
pub(in crate::ragep2p) type Receiver = BoxStream<'static, Vec<u8>>;

/// Peers that find each other. Clones are of the same.
#[derive(Clone, Debug)]
pub(in crate::ragep2p) struct Discovery {
    registry: Arc<Mutex<Registry>>,
    /// In the order in which the registry changed.
    effects: mpsc::UnboundedSender<Effect>,
}

/// What is to be done after the registry has changed.
#[derive(Debug)]
enum Effect {
    Added(Added),
    Removed(Removed),
    Send(Vec<Outgoing>),
    End,
}

struct Service<S> {
    registry: Arc<Mutex<Registry>>,
    effects: mpsc::UnboundedReceiver<Effect>,
    links: Links<S>,
    keeper: Keeper,
    metrics: Metrics,
}

impl Discovery {
    /// Discovery over `streams`, which tells all peers what they may know every `interval` (upstream calls it
    /// deltaReconcile), and the future that does the work. It ends, and the streams with it, once it is told
    /// to [`end`](Self::end) or the last clone is dropped, and what is known is kept; dropping it is ending at once.
    pub(in crate::ragep2p) fn new(
        registry: Registry,
        streams: impl Streams,
        store: Option<Arc<dyn Store>>,
        interval: Duration,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let metrics = Metrics::new(registry.own().announcer());
        let registry = Arc::new(Mutex::new(registry));
        let (sender, effects) = mpsc::unbounded_channel();
        let service = Service {
            registry: registry.clone(),
            effects,
            links: Links::new(streams),
            keeper: Keeper::new(store),
            metrics,
        };
        let effects = sender;
        (Self { registry, effects }, service.run(interval))
    }

    /// Adds a group: its peers are told what they may know as soon as what is kept of them is read.
    pub(in crate::ragep2p) fn add_group(
        &self,
        digest: GroupDigest,
        group: Group,
    ) -> Result<(), GroupError> {
        self.change(|registry| registry.add_group(digest, group).map(Effect::Added))
    }

    /// Removes a group, and says whether it was there.
    pub(in crate::ragep2p) fn remove_group(&self, digest: GroupDigest) -> bool {
        let removed = |registry: &mut Registry| registry.remove_group(digest).ok_or(());
        self.change(|registry| removed(registry).map(Effect::Removed))
            .is_ok()
    }

    /// Announces other addresses, at once.
    pub(in crate::ragep2p) fn set_endpoints(
        &self,
        endpoints: Endpoints,
    ) -> Result<(), CounterSpent> {
        self.change(|registry| registry.set_endpoints(endpoints).map(Effect::Send))
    }

    /// The ways to `peer`, as [`Registry::find`] tells them.
    pub(in crate::ragep2p) fn find(&self, peer: PeerId) -> Vec<Address> {
        lock(&self.registry).find(peer)
    }

    /// Ends the work, after what is known is kept.
    pub(in crate::ragep2p) fn end(&self) {
        // Without a service there is nothing to be ended.
        let _ = self.effects.send(Effect::End);
    }

    fn change<E>(&self, change: impl FnOnce(&mut Registry) -> Result<Effect, E>) -> Result<(), E> {
        let mut registry = lock(&self.registry);
        let effect = change(&mut registry)?;
        // Under the lock, so that the order is that of the changes. Without a service there is nothing to be done.
        let _ = self.effects.send(effect);
        Ok(())
    }
}

impl<S: Streams> Service<S> {
    async fn run(mut self, every: Duration) {
        let every = every.max(MIN_INTERVAL);
        let mut reconcile = unhurried(interval(every));
        let mut save = unhurried(interval(SAVE_INTERVAL));
        save.reset();
        loop {
            tokio::select! {
                effect = self.effects.recv() => match effect {
                    None | Some(Effect::End) => break,
                    Some(effect) => self.apply(effect),
                },
                (from, message) = self.links.next() => self.receive(from, &message),
                (peers, entries) = self.keeper.next() => self.load(&peers, entries),
                _ = reconcile.tick() => self.reconcile(),
                _ = save.tick() => self.keeper.keep_all(lock(&self.registry).snapshot()),
            }
            self.metrics.set(lock(&self.registry).counts());
        }
        let snapshot = lock(&self.registry).snapshot();
        self.keeper.finish(snapshot).await;
    }

    fn apply(&mut self, effect: Effect) {
        self.links.adjust(&lock(&self.registry).peers());
        match effect {
            Effect::Added(Added { peers, oracles }) => self.keeper.read(peers, oracles),
            Effect::Removed(Removed { entries, .. }) => self.keeper.keep(entries),
            Effect::Send(outgoing) => self.links.send(outgoing),
            Effect::End => {}
        }
    }

    fn receive(&mut self, from: PeerId, message: &[u8]) {
        match Incoming::decode(message) {
            Ok(message) => {
                let received = lock(&self.registry).receive(from, message);
                self.finish(received);
            }
            // Whoever floods us must not flood the log.
            Err(error) => tracing::debug!(%from, %error, "a message of no use"),
        }
    }

    /// Takes what was kept of new peers, and then tells them what they may know.
    fn load(&mut self, peers: &[PeerId], entries: Vec<Entry>) {
        let received = lock(&self.registry).load(entries);
        self.finish(received);
        let mut outgoing = lock(&self.registry).reconcile();
        outgoing.retain(|outgoing| peers.contains(&outgoing.to));
        self.links.send(outgoing);
    }

    fn reconcile(&mut self) {
        // A stream that did not open may do so now.
        self.links.adjust(&lock(&self.registry).peers());
        let outgoing = lock(&self.registry).reconcile();
        self.links.send(outgoing);
    }

    fn finish(&mut self, received: Received) {
        for peer in received.learned {
            tracing::info!(%peer, "a peer is found");
        }
        if let Some((of, reason)) = received.refused.first() {
            let count = received.refused.len();
            tracing::debug!(count, %of, %reason, "announcements refused; this is the first");
        }
        if !received.send.is_empty() {
            tracing::info!("our announcement is renewed, since an older one is about");
        }
        self.links.send(received.send);
    }
}

/// After a time without turns, such as sleep, one turn is enough.
fn unhurried(mut interval: Interval) -> Interval {
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests;
