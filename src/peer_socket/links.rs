//! Which connections there are: one for each peer, and so many at most.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::PublicKey;
use crate::lock::lock;

/// In the order of the keys, so that they are woken in the same order each time.
#[derive(Default)]
pub(super) struct Links(Mutex<BTreeMap<PublicKey, Arc<LinkEntry>>>);

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

/// The place of a connection, which is free when it has ended, however it does.
pub(super) struct Place<'a> {
    links: &'a Links,
    peer: PublicKey,
    serial: u64,
}

impl Links {
    /// A place for a connection, whose number is higher than those before. One to the same peer gives its place up. None when
    /// there are as many peers as may be.
    pub(super) fn admit(&self, peer: PublicKey, serial: u64, max: usize) -> Option<Arc<LinkEntry>> {
        let mut links = lock(&self.0);
        if let Some(former) = links.remove(&peer) {
            former.replaced.store(true, Ordering::Release);
            former.closing.cancel();
        }
        if links.len() >= max {
            // Who shares no swarm with us makes room.
            let idle = links
                .iter()
                .filter(|(_, entry)| entry.channels.load(Ordering::Acquire) == 0)
                .min_by_key(|(_, entry)| entry.serial)
                .map(|(peer, _)| *peer);
            let entry = idle.and_then(|idle| links.remove(&idle))?;
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

    /// Holds the place of a connection that was admitted.
    pub(super) fn hold(&self, peer: PublicKey, entry: &LinkEntry) -> Place<'_> {
        Place {
            links: self,
            peer,
            serial: entry.serial,
        }
    }

    /// Has all of them see what there is to write.
    pub(super) fn wake(&self) {
        for entry in lock(&self.0).values() {
            entry.work.notify_one();
        }
    }

    /// Ends the connection to a peer.
    pub(super) fn cut(&self, peer: &PublicKey) {
        if let Some(entry) = lock(&self.0).remove(peer) {
            entry.closing.cancel();
        }
    }

    /// Ends all of them.
    pub(super) fn close(&self) {
        for entry in lock(&self.0).values() {
            entry.closing.cancel();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut links = lock(&self.links.0);
        if links
            .get(&self.peer)
            .is_some_and(|entry| entry.serial == self.serial)
        {
            links.remove(&self.peer);
        }
    }
}
