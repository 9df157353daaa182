//! The host: who dials, who accepts, and who owns the tasks.

mod builder;

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    HostHandle, StreamBuilder,
    discover::AnyDiscoverer,
    install::{Side, install},
    metrics::HostMetrics,
    peer::Peer,
    registry::Registry,
    tasks::Tasks,
};
use crate::{
    Address, Connection, DIAL_TIMEOUT, Error, Listening, MultiServer, PeerId, Scope, Section,
    uneven::uneven, within,
};

pub use self::builder::HostBuilder;

/// A host: one end of streams to many peers, which it dials and which dial it.
///
/// Clones are of the same host. When the last is dropped, its connections are cut and its streams end; to let them end in
/// good order, [`close`](Self::close) it.
///
/// ```
/// use std::time::Duration;
/// use tower_multiserver::{
///     Identity, PeerId,
///     ragep2p::{Host, KnownPeers},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (alice, bob) = (Identity::generate()?, Identity::generate()?);
/// let [alice_id, bob_id] = [&alice, &bob].map(|identity| PeerId::from(identity.public_key()));
/// let soon = Duration::from_millis(20);
///
/// let bob = Host::builder(bob).listen("net:127.0.0.1:0")?.dial_interval(soon).start().await?;
/// let at = bob.addresses()[0].1.transport().clone();
/// let known = KnownPeers::new().peer(bob_id, &*at.to_string())?;
/// let alice = Host::builder(alice).discover(known).dial_interval(soon).start().await?;
///
/// let mut ours = bob.stream(alice_id, "greetings").open()?;
/// let theirs = alice.stream(bob_id, "greetings").open()?;
/// let _ = theirs.send("hello")?;
/// assert_eq!(ours.recv().await.as_deref(), Some(&b"hello"[..]));
/// alice.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host {
    running: Running,
    addresses: Arc<[(Scope, Address)]>,
    _owner: Arc<Owner>,
}

/// What the tasks of a host share.
#[derive(Clone)]
struct Running(Arc<Shared>);

struct Shared {
    registry: Arc<Registry>,
    dialer: MultiServer,
    discoverer: Arc<dyn AnyDiscoverer>,
    dial_interval: Duration,
    metrics: HostMetrics,
    closing: CancellationToken,
    tasks: Tasks,
}

/// Cuts everything when it is dropped.
struct Owner(Running);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.0.registry.close_all();
        drop(self.0.0.tasks.take());
    }
}

impl Host {
    /// A host that is known by this identity.
    pub fn builder(identity: crate::Identity) -> HostBuilder {
        HostBuilder::new(identity)
    }

    /// By what peers know it.
    pub fn id(&self) -> PeerId {
        self.running.0.registry.own()
    }

    /// The addresses under which peers reach it, and whom to tell.
    pub fn addresses(&self) -> &[(Scope, Address)] {
        &self.addresses
    }

    /// A stream to a peer, to be opened. Both ends must open one of the same name; until the peer does, messages wait.
    pub fn stream(&self, peer: PeerId, name: impl Into<Arc<str>>) -> StreamBuilder {
        self.handle().stream(peer, name)
    }

    /// A handle for opening streams that does not keep the host alive.
    pub fn handle(&self) -> HostHandle {
        HostHandle::new(self.running.0.registry.clone())
    }

    /// Ends every stream and connection, and waits until they have ended: some seconds at most, where a peer does not read.
    /// What streams had been [flushed](futures_util::SinkExt::flush) of is written still; what waited in them is dropped.
    ///
    /// False when it was closed already.
    pub async fn close(&self) -> bool {
        let shared = &self.running.0;
        let was_open = shared.registry.close_all();
        if was_open {
            shared.discoverer.close().await;
        }
        shared.closing.cancel();
        shared.tasks.finish().await;
        was_open
    }
}

impl Running {
    /// Runs what the host does all the time.
    fn start(&self, listening: Vec<Listening>) {
        let discoverer = self.0.discoverer.clone();
        let host = HostHandle::new(self.0.registry.clone());
        self.until_closing(async move { discoverer.run(host).await });
        self.until_closing(self.clone().dial());
        for listening in listening {
            self.until_closing(self.clone().accept(listening));
        }
    }

    fn until_closing(&self, task: impl Future<Output = ()> + Send + 'static) {
        let closing = self.0.closing.clone();
        self.0.tasks.spawn(async move {
            closing.run_until_cancelled(task).await;
        });
    }

    /// Dials every peer without a connection, again and again, at uneven times: peers that dial each other at once and cut
    /// each other's connection do not do so for ever. A new peer is dialed at once.
    async fn dial(self) {
        let registry = &self.0.registry;
        loop {
            for peer in registry.all() {
                peer.is_new();
                self.dial_unconnected(peer);
            }
            let mut pause = pin!(sleep(uneven(self.0.dial_interval)));
            loop {
                tokio::select! {
                    biased;
                    () = &mut pause => break,
                    () = registry.added.notified() => {}
                }
                for peer in registry.all().into_iter().filter(|peer| peer.is_new()) {
                    self.dial_unconnected(peer);
                }
            }
        }
    }

    fn dial_unconnected(&self, peer: Arc<Peer>) {
        if !peer.mux().is_connected() && !peer.dialing.swap(true, Ordering::AcqRel) {
            self.0.tasks.spawn(self.clone().dial_one(peer));
        }
    }

    async fn dial_one(self, peer: Arc<Peer>) {
        let dialed = tokio::select! {
            biased;
            dialed = self.reach(&peer) => dialed,
            () = peer.gone.cancelled() => None,
        };
        if let Some(connection) = dialed {
            install(peer.clone(), connection, Side::Dialed, &self.0.tasks).await;
        }
        peer.dialing.store(false, Ordering::Release);
    }

    async fn reach(&self, peer: &Peer) -> Option<Connection> {
        let find = within(Instant::now().checked_add(DIAL_TIMEOUT), async {
            let found = self.0.discoverer.find(peer.id).await;
            found.map_err(Error::from)
        });
        let addresses = match find.await {
            Ok(addresses) => addresses,
            Err(error) => {
                if let Some(count) = peer.nowhere.tick() {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(peer = %peer.id, count, error, "the peer cannot be looked up");
                }
                return None;
            }
        };
        let Some(mut address) = peer.next_of(&addresses).cloned() else {
            if let Some(count) = peer.nowhere.tick() {
                tracing::debug!(peer = %peer.id, count, "nobody knows where the peer is");
            }
            return None;
        };
        for layer in ["knock", "mtls"] {
            address.push(Section::new(layer).arg(peer.id));
        }
        // Traced by the stack.
        self.0.dialer.dial(address).await.ok()
    }

    async fn accept(self, mut listening: Listening) {
        while let Some(accepted) = listening.next().await {
            self.0.metrics.inbound_dials.increment(1);
            // Failures are traced by the stack.
            if let Ok(connection) = accepted {
                self.accepted(connection);
            }
        }
    }

    fn accepted(&self, connection: Connection) {
        let key = connection.info().remote_key();
        let Some(peer) = key.and_then(|key| self.0.registry.find(key.into())) else {
            return;
        };
        if peer.admits() {
            let host = self.clone();
            self.0.tasks.spawn(async move {
                install(peer, connection, Side::Accepted, &host.0.tasks).await;
            });
        } else if let Some(count) = peer.refused.tick() {
            tracing::debug!(peer = %peer.id, count, "refused: the peer connects too often");
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("id", &self.id())
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
