//! Reading and writing what is kept, while all else goes on.

use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::timeout;
use tower_multiserver_core::{BoxError, PeerId};

use super::super::{Entry, Store};

/// What goes to the store, and what comes from it. A store that hangs delays nothing but what it should keep.
pub(super) struct Keeper {
    store: Option<Arc<dyn Store>>,
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
    /// One at a time, so that the last one is what stays.
    write: Option<BoxFuture<'static, Result<(), BoxError>>>,
    /// What is written next.
    waiting: BTreeMap<PeerId, Entry>,
    /// What was written of all at last, or is about to be.
    kept: Vec<Entry>,
}

/// The new peers of a group, and what was kept of its oracles.
type Read = (Vec<PeerId>, Vec<Entry>);

/// How long one waits for the store at the end.
const FINISH: Duration = Duration::from_secs(5);

impl Keeper {
    pub(super) fn new(store: Option<Arc<dyn Store>>) -> Self {
        Self {
            store,
            reads: FuturesUnordered::new(),
            write: None,
            waiting: BTreeMap::new(),
            kept: Vec::new(),
        }
    }

    /// Reads what is kept of `oracles`, for [`next`](Self::next), and gives `peers` back with it.
    pub(super) fn read(&self, peers: Vec<PeerId>, oracles: Vec<PeerId>) {
        let store = self.store.clone().filter(|_| !oracles.is_empty());
        self.reads.push(Box::pin(async move {
            let read = match &store {
                Some(store) => store.read(&oracles).await,
                None => Ok(Vec::new()),
            };
            let entries = read.unwrap_or_else(|error| {
                tracing::warn!(%error, "announcements that were kept cannot be read");
                Vec::new()
            });
            (peers, entries)
        }));
    }

    /// Keeps these, and what was kept of others.
    pub(super) fn keep(&mut self, entries: Vec<Entry>) {
        let entries = entries.into_iter().map(|entry| (entry.peer, entry));
        self.waiting.extend(entries);
        self.start();
    }

    /// Keeps all that is known, unless it is kept already.
    pub(super) fn keep_all(&mut self, snapshot: Vec<Entry>) {
        if snapshot != self.kept {
            self.kept.clone_from(&snapshot);
            self.keep(snapshot);
        }
    }

    /// What was read next. Meanwhile writing goes on. It is cancel safe.
    pub(super) async fn next(&mut self) -> Read {
        loop {
            tokio::select! {
                Some(read) = self.reads.next() => return read,
                () = Self::written(&mut self.write, &mut self.kept) => self.start(),
            }
        }
    }

    /// Keeps all that is known a last time, and waits for it.
    pub(super) async fn finish(mut self, snapshot: Vec<Entry>) {
        self.keep_all(snapshot);
        let all = async {
            while self.write.is_some() {
                Self::written(&mut self.write, &mut self.kept).await;
                self.start();
            }
        };
        if timeout(FINISH, all).await.is_err() {
            tracing::warn!("announcements are not kept in time");
        }
    }

    /// Writes what waits, if nothing is being written.
    fn start(&mut self) {
        let Some(store) = &self.store else {
            self.waiting.clear();
            return;
        };
        if self.write.is_none() && !self.waiting.is_empty() {
            let entries: Vec<_> = std::mem::take(&mut self.waiting).into_values().collect();
            let store = store.clone();
            let write = async move { store.write(&entries).await };
            self.write = Some(Box::pin(write));
        }
    }

    /// Waits for the end of what is being written, for ever if that is nothing.
    async fn written(
        write: &mut Option<BoxFuture<'static, Result<(), BoxError>>>,
        kept: &mut Vec<Entry>,
    ) {
        let Some(writing) = write else {
            return pending().await;
        };
        let written = writing.await;
        *write = None;
        if let Err(error) = written {
            tracing::warn!(%error, "announcements cannot be kept");
            // So all is written the next time.
            kept.clear();
        }
    }
}
