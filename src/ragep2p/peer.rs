//! A peer to which there is a stream.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Meter, OpenError, RateLimit, StreamId, TokenBucket, Version,
    allowance::{Allowed, CONNECTION_ALLOWANCE},
    limits::ValidLimits,
    metrics::PeerMetrics,
    mux::Mux,
    taper::Taper,
};
use crate::{Address, PeerId, lock::lock};

/// A peer to which there is a stream. It is there from the opening of the first to the closing of the last.
pub(super) struct Peer {
    own: PeerId,
    pub(super) id: PeerId,
    pub(super) version: Version,
    pub(super) metrics: PeerMetrics,
    mux: Mutex<Mux>,
    /// Woken when there may be something to write.
    pub(super) work: Notify,
    meter: Meter,
    allowances: Mutex<Allowances>,
    /// The connection that there is. The last that finished its handshake takes the place of the one before.
    pub(super) link: tokio::sync::Mutex<Option<Link>>,
    /// How many connections it may open to us.
    inbound: Mutex<TokenBucket>,
    /// The last stream was closed, or the host.
    pub(super) gone: CancellationToken,
    pub(super) dialing: AtomicBool,
    /// Whether it has ever been dialed.
    dialed: AtomicBool,
    next_address: AtomicUsize,
    pub(super) nowhere: Taper,
    pub(super) refused: Taper,
    pub(super) skipped: Taper,
    pub(super) evicted: Taper,
    pub(super) misnamed: Taper,
}

/// A connection that runs.
pub(super) struct Link {
    /// Ends it at once.
    pub(super) cancel: CancellationToken,
    /// Cancelled when it has ended.
    pub(super) ended: CancellationToken,
}

/// What the streams allow.
#[derive(Default)]
struct Allowances {
    streams: HashMap<StreamId, ValidLimits>,
    /// There was more than could be counted.
    is_unlimited: bool,
}

impl Peer {
    pub(super) fn new(own: PeerId, id: PeerId, version: Version, inbound: RateLimit) -> Self {
        let peer = Self {
            own,
            id,
            version,
            metrics: PeerMetrics::new(own, id),
            mux: Mutex::new(Mux::new(version)),
            work: Notify::new(),
            meter: Meter::new(),
            allowances: Mutex::default(),
            link: tokio::sync::Mutex::default(),
            inbound: Mutex::new(TokenBucket::full(inbound, Instant::now())),
            gone: CancellationToken::new(),
            dialing: AtomicBool::new(false),
            dialed: AtomicBool::new(false),
            next_address: AtomicUsize::new(0),
            nowhere: Taper::default(),
            refused: Taper::default(),
            skipped: Taper::default(),
            evicted: Taper::default(),
            misnamed: Taper::default(),
        };
        peer.allow(|_| ());
        peer
    }

    /// What goes over its streams. Whoever changes what is to be written says so to [`work`](Self::work).
    pub(super) fn mux(&self) -> MutexGuard<'_, Mux> {
        lock(&self.mux)
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Opens a stream.
    pub(super) fn open(
        &self,
        id: StreamId,
        open: impl FnOnce(&mut Mux) -> Result<(), OpenError>,
        limits: ValidLimits,
    ) -> Result<(), OpenError> {
        open(&mut self.mux())?;
        self.allow(|streams| {
            streams.insert(id, limits);
        });
        self.work.notify_one();
        Ok(())
    }

    /// Changes the limits of a stream.
    pub(super) fn update(&self, id: StreamId, limits: ValidLimits) {
        if self.mux().update(&id, limits, Instant::now()) {
            self.allow(|streams| {
                streams.insert(id, limits);
            });
        }
    }

    /// Closes a stream. The last takes the connection with it; then it is true.
    pub(super) fn close(&self, id: &StreamId) -> bool {
        let mut mux = self.mux();
        mux.close(id);
        let was_last = mux.is_empty();
        drop(mux);
        self.allow(|streams| {
            streams.remove(id);
        });
        self.work.notify_one();
        was_last
    }

    /// Whether this is the id of a stream of that name.
    pub(super) fn is_named(&self, id: &StreamId, name: &[u8]) -> bool {
        StreamId::of_bytes(&self.own, &self.id, name) == *id
    }

    fn allow(&self, change: impl FnOnce(&mut HashMap<StreamId, ValidLimits>)) {
        let mut allowances = lock(&self.allowances);
        change(&mut allowances.streams);
        let limits = allowances.streams.values();
        let allowed = limits.fold(Allowed::default(), Allowed::with);
        self.metrics.allowed(self.version, &allowed);
        if self.version == Version::V1 {
            match allowed.raw() {
                Some(limit) if !allowances.is_unlimited => self.meter.limit(limit),
                _ => {
                    allowances.is_unlimited = true;
                    self.meter.unlimit();
                }
            }
        }
    }

    /// Whether it may open one connection more to us.
    pub(super) fn admits(&self) -> bool {
        lock(&self.inbound).take(1, Instant::now())
    }

    /// Whether it has never been dialed. Asking makes it so.
    pub(super) fn is_new(&self) -> bool {
        !self.dialed.swap(true, Ordering::Relaxed)
    }

    /// There is a new connection, which has not been read from.
    pub(super) fn connected(&self) {
        if self.version == Version::V1 {
            self.meter.allow(CONNECTION_ALLOWANCE);
        }
        self.mux().connected();
    }

    /// Which of the addresses is to be dialed next: each in turn.
    pub(super) fn next_of<'a>(&self, addresses: &'a [Address]) -> Option<&'a Address> {
        let turn = self.next_address.fetch_add(1, Ordering::Relaxed);
        addresses.get(turn.checked_rem(addresses.len())?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::ragep2p::vectors;

    #[tokio::test(start_paused = true)]
    async fn who_hammers_at_the_door_keeps_it_shut() {
        let limit = RateLimit::new(0.5, 4);
        let peer = Peer::new(vectors::alice(), vectors::bob(), Version::V1, limit);
        let admitted = (0..10).filter(|_| peer.admits()).count();
        assert_eq!(admitted, 4);
        // What had been saved up is lost each time.
        for _ in 0..100 {
            advance(Duration::from_millis(1900)).await;
            assert!(!peer.admits());
        }
        advance(Duration::from_millis(2000)).await;
        assert!(peer.admits());
        assert!(!peer.admits());
    }
}
