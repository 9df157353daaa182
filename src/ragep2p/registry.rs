//! The peers to which there are streams.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{sync::Notify, time::Instant};

use super::{
    MAX_NAME_LEN, MAX_PEERS, Meter, OpenError, Priority, RateLimit, StreamId, Version,
    limits::ValidLimits, peer::Peer,
};
use crate::lock::lock;
use crate::{self as root, Authorize, BoxError, PeerId};

/// The peers to which there are streams. Nobody else is let in.
pub(super) struct Registry {
    own: PeerId,
    version: Version,
    /// How often each peer may connect to us.
    inbound: RateLimit,
    /// None when the host is closed.
    peers: Mutex<Option<BTreeMap<PeerId, Arc<Peer>>>>,
    /// Woken when there is one more.
    pub(super) added: Notify,
}

impl Registry {
    pub(super) fn new(own: PeerId, version: Version, inbound: RateLimit) -> Self {
        Self {
            own,
            version,
            inbound,
            peers: Mutex::new(Some(BTreeMap::new())),
            added: Notify::new(),
        }
    }

    pub(super) fn own(&self) -> PeerId {
        self.own
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn find(&self, id: PeerId) -> Option<Arc<Peer>> {
        self.lock().as_ref()?.get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        self.lock()
            .iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// Opens a stream, the first of a peer too.
    pub(super) fn open(
        &self,
        to: PeerId,
        name: &Arc<str>,
        priority: Priority,
        limits: ValidLimits,
    ) -> Result<(Arc<Peer>, StreamId), OpenError> {
        if to == self.own {
            return Err(OpenError::OwnPeer);
        }
        if name.is_empty() || name.len() > MAX_NAME_LEN {
            return Err(OpenError::Name);
        }
        let mut peers = self.lock();
        let peers = peers.as_mut().ok_or(OpenError::Closed)?;
        let peer = match peers.get(&to) {
            Some(peer) => peer.clone(),
            None if peers.len() >= MAX_PEERS => return Err(OpenError::TooManyPeers),
            None => Arc::new(Peer::new(self.own, to, self.version, self.inbound)),
        };
        let id = StreamId::new(&self.own, &to, name);
        let open = |mux: &mut super::mux::Mux| {
            mux.open(id, name.clone(), priority, limits, Instant::now())
        };
        peer.open(id, open, limits)?;
        if peers.insert(to, peer.clone()).is_none() {
            self.added.notify_one();
        }
        Ok((peer, id))
    }

    /// Closes a stream. The last takes the peer with it.
    pub(super) fn close(&self, peer: &Peer, stream: &StreamId) {
        let mut peers = self.lock();
        if peer.close(stream)
            && let Some(peers) = &mut *peers
        {
            peers.remove(&peer.id);
            peer.gone.cancel();
        }
    }

    /// Closes everything, for good. False when that had been done.
    pub(super) fn close_all(&self) -> bool {
        let Some(peers) = self.lock().take() else {
            return false;
        };
        for peer in peers.into_values() {
            peer.mux().close_all();
            peer.gone.cancel();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<PeerId, Arc<Peer>>>> {
        lock(&self.peers)
    }
}

/// Lets those peers knock to which there are streams, and counts their bytes together.
#[derive(Clone)]
pub(super) struct Wanted(pub(super) Arc<Registry>);

impl Authorize for Wanted {
    type Grant = Meter;

    async fn authorize(&self, peer: root::Peer) -> Result<Meter, BoxError> {
        let known = self.0.find(PeerId::from(peer.key));
        let peer = known.ok_or("there is no stream to this peer")?;
        Ok(peer.meter().clone())
    }
}
