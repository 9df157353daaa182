//! What the clones, the connections and the tasks of a node share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use libudx::{UdxRuntime, UdxSocket};
use peeroxide_dht::hyperdht::{HyperDhtHandle, KeyPair};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};
use tower_multiserver_core::{Error, ErrorKind, Info, Peer, PublicKey};

use super::{admission::Admission, failures::failed, met::Met, names::key_section, udx::Port};
use crate::lock::lock;

pub(super) struct Inner {
    pub(super) key: PublicKey,
    pub(super) key_pair: KeyPair,
    pub(super) dht: HyperDhtHandle,
    pub(super) udx: UdxRuntime,
    pub(super) socket: UdxSocket,
    pub(super) idle: Duration,
    pub(super) port: Arc<Port>,
    pub(super) admission: Arc<Admission>,
    pub(super) door: Mutex<Option<mpsc::Sender<Guest>>>,
    /// Held while the own key is announced or taken back, so that the later of two has the last word.
    pub(super) announcing: tokio::sync::Mutex<()>,
    pub(super) hook: Hook,
    pub(super) gate: Option<Gate>,
    /// How many topics are joined.
    pub(super) topics: AtomicUsize,
    pub(super) tasks: Mutex<JoinSet<()>>,
    pub(super) runtime: Handle,
}

/// A peer that has proved its key and is let in.
pub(super) struct Guest {
    pub(super) met: Met,
    pub(super) grant: Grant,
}

/// The authorization, its grant as a fact to record.
pub(super) type Hook = Arc<dyn Fn(Peer) -> BoxFuture<'static, Result<Grant, Error>> + Send + Sync>;
/// Whether this key may connect, seen at this address; and whether it is we who dial.
pub(crate) type Gate =
    Arc<dyn Fn(PublicKey, Option<SocketAddr>, bool) -> BoxFuture<'static, bool> + Send + Sync>;
pub(super) type Grant = Box<dyn FnOnce(&mut Info) + Send>;

impl Inner {
    /// Runs a task as long as the node lives.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
    }

    /// Whether this key may connect, seen at this address; and whether it is we who dial.
    pub(super) async fn ask(
        &self,
        key: PublicKey,
        from: Option<SocketAddr>,
        dials: bool,
    ) -> Result<Grant, Error> {
        if let Some(gate) = &self.gate
            && !gate(key, from, dials).await
        {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                "the peer is not let in",
            ));
        }
        let peer = Peer {
            key,
            is_own: key == self.key,
            info: tower_multiserver_core::Connection::new((), key_section(&key))
                .info()
                .clone(),
        };
        (self.hook)(peer).await
    }

    pub(super) async fn announce(&self, target: [u8; 32]) -> Result<(), Error> {
        let relays = self.dht.current_relay_addresses();
        let announced = self.dht.announce(target, &self.key_pair, &relays).await;
        announced.map(drop).map_err(failed)
    }

    pub(super) async fn unannounce(&self, target: [u8; 32]) -> Result<(), Error> {
        let done = self.dht.unannounce(target, &self.key_pair).await;
        done.map_err(failed)
    }

    /// Whether one connection a key is kept.
    pub(super) fn is_swarming(&self) -> bool {
        self.topics.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let dht = self.dht.clone();
        // The node's own task does not end by itself. This takes no longer than a message to it.
        self.runtime.spawn(async move { dht.destroy().await });
    }
}
