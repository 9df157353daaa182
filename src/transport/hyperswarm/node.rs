//! A node of the DHT: one key, one UDP port.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use libudx::UdxRuntime;
use peeroxide_dht::{
    crypto::hash,
    hyperdht::{self, HyperDhtConfig, KeyPair},
};
use tokio::runtime::Handle;
use tower_multiserver_core::{Authorize, Error, Identity, Info, PublicKey, Section};

use super::{
    Topic,
    admission::Admission,
    doorman::{self, Doorman},
    failures::{failed, unavailable},
    inner::{Gate, Grant, Hook, Inner},
    lookup::lookup,
    names::key_section,
    udx::Port,
};
use crate::lock::lock;

/// A node of the DHT, known by one Ed25519 key. Clones are the same node.
///
/// It ends when the last clone, listener, connection and [`Swarm`](super::Swarm) of it is dropped; [`close`](Self::close)
/// ends it in an orderly way.
///
/// ```no_run
/// # async fn run() -> Result<(), tower_multiserver::Error> {
/// use tower_multiserver::{Identity, StackExt, hyperswarm::{HyperDht, HyperNode}};
///
/// let node = HyperNode::builder(Identity::generate()?).spawn().await?;
/// let key = "hyperdht:bf0b8f1e5f8d6f57d1e5d6f3b1a0c9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2";
/// let peer = HyperDht::new(node).dial(key).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperNode(pub(super) Arc<Inner>);

/// How a [`HyperNode`] is to be.
#[derive(Clone)]
pub struct HyperNodeBuilder {
    identity: Identity,
    bootstrap: Option<Vec<String>>,
    bind: SocketAddrV4,
    persistent: bool,
    idle: Duration,
    max_peers: usize,
    hook: Hook,
    gate: Option<Gate>,
}

/// As many as npm hyperswarm takes.
const MAX_PEERS: usize = 64;

/// How long a peer may be silent, and not acknowledge what is sent. It sends something every five seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

impl HyperNode {
    /// A node with this key.
    pub fn builder(identity: Identity) -> HyperNodeBuilder {
        HyperNodeBuilder {
            identity,
            bootstrap: None,
            bind: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            persistent: false,
            idle: IDLE_TIMEOUT,
            max_peers: MAX_PEERS,
            hook: Arc::new(|_| Box::pin(async { Ok(Box::new(|_: &mut Info| {}) as Grant) })),
            gate: None,
        }
    }

    /// The key that it is known by.
    pub fn public_key(&self) -> PublicKey {
        self.0.key
    }

    /// Where it is reached if it listens, `hyperdht:KEY`.
    pub fn section(&self) -> Section {
        key_section(&self.0.key)
    }

    /// The UDP port that it is bound to.
    ///
    /// # Errors
    ///
    /// When the node has been closed.
    pub async fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.0.socket.local_addr().await.map_err(unavailable)
    }

    /// The keys that are announced on a topic, without our own.
    ///
    /// They are what strangers said: whether somebody holds such a key shows when it is dialed.
    ///
    /// # Errors
    ///
    /// When the DHT cannot be asked.
    pub async fn lookup(&self, topic: Topic) -> Result<Vec<PublicKey>, Error> {
        let mut keys = lookup(&self.0, *topic.as_bytes()).await?;
        keys.retain(|key| *key != self.0.key);
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    /// Says on a topic that this key is to be found there. It is forgotten within the hour unless it is said again.
    ///
    /// # Errors
    ///
    /// When the DHT cannot be asked.
    pub async fn announce(&self, topic: Topic) -> Result<(), Error> {
        self.0.announce(*topic.as_bytes()).await
    }

    /// Takes an announcement back.
    ///
    /// # Errors
    ///
    /// When the DHT cannot be asked.
    pub async fn unannounce(&self, topic: Topic) -> Result<(), Error> {
        self.0.unannounce(*topic.as_bytes()).await
    }

    /// Ends it: what a listener announced is taken back, and all connections are cut.
    pub async fn close(self) {
        let listens = lock(&self.0.door).take().is_some();
        if listens {
            let _ = self.0.unannounce(hash(self.0.key.as_bytes())).await;
        }
        lock(&self.0.tasks).abort_all();
        let _ = self.0.dht.destroy().await;
    }
}

impl HyperNodeBuilder {
    /// The nodes that are asked first, each `HOST:PORT`. Unless set those of the public DHT; with none it is the first node
    /// of a DHT of its own.
    #[must_use]
    pub fn bootstrap(mut self, nodes: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        self.bootstrap = Some(nodes.into_iter().map(|node| node.to_string()).collect());
        self
    }

    /// The address and UDP port to bind, any free one on all interfaces unless set. The DHT knows IPv4 only.
    #[must_use]
    pub fn bind(mut self, at: SocketAddrV4) -> Self {
        self.bind = at;
        self
    }

    /// Whether it serves the DHT for others, which wants an address that everybody reaches. It does not unless set.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// How long a peer may be silent and acknowledge nothing before its connection is lost. 20 seconds unless set.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle = timeout;
        self
    }

    /// With how many peers it is connected at most while it has joined a topic, in both directions. 64 unless set.
    #[must_use]
    pub fn max_peers(mut self, max: usize) -> Self {
        self.max_peers = max;
        self
    }

    /// Whom to connect with. It is asked in both roles before anything is answered or dialed: for an accepted peer when its
    /// key is proved, for a dialed one about the key that is dialed. The grant is a fact of the connection. Who accepts has
    /// five seconds for the answer, and who dials the time of the dial. Everybody, unless set.
    #[must_use]
    pub fn authorize<A: Authorize>(mut self, authorize: A) -> Self {
        self.hook = Arc::new(move |peer| {
            let authorize = authorize.clone();
            Box::pin(async move {
                let grant = peer.ask(&authorize).await?;
                Ok(Box::new(move |info: &mut Info| info.insert(grant)) as Grant)
            })
        });
        self
    }

    /// Asks this too, before the authorization.
    #[cfg(any(feature = "peer-socket", feature = "serde"))]
    pub(crate) fn gate(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Binds the node and waits until it has found the DHT.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn spawn(self) -> Result<HyperNode, Error> {
        let udx = UdxRuntime::new().map_err(unavailable)?;
        let mut config = match self.bootstrap {
            Some(_) => HyperDhtConfig::default(),
            None => HyperDhtConfig::with_public_bootstrap(),
        };
        if let Some(bootstrap) = self.bootstrap {
            config.dht.bootstrap = bootstrap;
        }
        config.dht.host = self.bind.ip().to_string();
        config.dht.port = self.bind.port();
        config.dht.ephemeral = Some(!self.persistent);
        // Else it would send from a second port, where nobody who was not punched to reaches it.
        config.dht.firewalled = false;
        let (_, dht, events) = hyperdht::spawn(&udx, config).await.map_err(failed)?;
        dht.bootstrapped().await.map_err(failed)?;
        let socket = dht.server_socket().await.map_err(failed)?;
        let socket = socket.ok_or_else(|| unavailable("the node has no socket"))?;

        let port = Arc::new(Port::open(&udx).await.map_err(unavailable)?);

        let pair = self.identity.to_keypair_bytes();
        let mut secret_key = [0; 64];
        secret_key.copy_from_slice(&pair[..]);
        let inner = Arc::new(Inner {
            key: self.identity.public_key(),
            key_pair: KeyPair {
                public_key: *self.identity.public_key().as_bytes(),
                secret_key,
            },
            dht,
            udx,
            socket,
            idle: self.idle,
            port: port.clone(),
            admission: Arc::new(Admission::new(self.max_peers)),
            door: Mutex::default(),
            announcing: tokio::sync::Mutex::default(),
            hook: self.hook,
            gate: self.gate,
            topics: AtomicUsize::new(0),
            tasks: Mutex::default(),
            runtime: Handle::current(),
        });
        inner.spawn(port.run());
        inner.spawn(doorman::run(events, Doorman::new(Arc::downgrade(&inner))));
        Ok(HyperNode(inner))
    }
}

impl fmt::Debug for HyperNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperNode")
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HyperNodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperNodeBuilder")
            .field("key", &self.identity.public_key())
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}
