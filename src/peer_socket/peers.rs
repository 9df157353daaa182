//! Who we are: where swarms are joined.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, Weak},
};

use blake2::{Blake2b, Digest as _, digest::consts::U32};
use futures_util::FutureExt as _;
use serde_json::Value;

use super::{Guard, PeerInfo, Swarm, SwarmId, home::Options, network::Network, owner::HomeOwner};
use crate::lock::lock;
use crate::{Error, Identity, PublicKey, Seed};

/// How many peers there may be at once, unless set.
pub const DEFAULT_MAX_PEERS: usize = 64;

/// How long the content of a message may be, in bytes, unless set: 1 MiB.
pub const DEFAULT_MAX_MESSAGE: usize = 1 << 20;

/// How long it may be at most: what fits into a frame of 16 MiB with all that is around it.
const MAX_MESSAGE: usize = super::lengths::MAX_U24 - 4096;

/// Joins swarms, as somebody of an origin, on a network.
///
/// Each origin and each debug identity is a peer of its own, with a key that follows from the secret: it is the same each
/// time. Clones, and others of the same origin and debug identity that were made of this one, are one peer: who joins a
/// swarm that is joined already shares it.
///
/// ```
/// use futures_util::StreamExt;
/// use serde_json::json;
/// use tower_multiserver::peer_socket::{MemoryHub, PeerSockets, SwarmId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peers = PeerSockets::builder(MemoryHub::new()).origin("dat://example.com").build()?;
/// let alice = peers.join(SwarmId::Origin).await?;
/// let bob = peers.with_debug_identity(1).join(SwarmId::Origin).await?;
///
/// let to_bob = alice.incoming().next().await.expect("bob comes");
/// to_bob.send(json!({ "type": "text", "text": "Hello!" })).await?;
///
/// let to_alice = bob.incoming().next().await.expect("alice is there");
/// let message = to_alice.recv().await.expect("a message")?;
/// assert_eq!(message, json!({ "type": "text", "text": "Hello!" }).into());
/// alice.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PeerSockets {
    shared: Arc<Shared>,
    origin: Option<Arc<str>>,
    debug_identity: u64,
}

/// What there is once for all origins and debug identities.
struct Shared {
    network: Box<dyn Network>,
    secret: Seed,
    options: Arc<Options>,
    homes: tokio::sync::Mutex<HashMap<Name, Weak<HomeOwner>>>,
    /// Those of the same homes, for bans.
    owners: Mutex<Vec<Weak<HomeOwner>>>,
}

/// An origin and a debug identity.
type Name = (Arc<str>, u64);

/// Makes a [`PeerSockets`].
pub struct PeerSocketsBuilder {
    network: Box<dyn Network>,
    origin: Option<Arc<str>>,
    debug_identity: u64,
    secret: Option<Seed>,
    options: Options,
}

impl PeerSockets {
    /// Swarms on this network.
    pub fn builder(network: impl Network) -> PeerSocketsBuilder {
        PeerSocketsBuilder {
            network: Box::new(network),
            origin: None,
            debug_identity: 0,
            secret: None,
            options: Options {
                max_peers: DEFAULT_MAX_PEERS,
                max_message: DEFAULT_MAX_MESSAGE,
                guard: Guard::new(None),
            },
        }
    }

    /// The same for another origin.
    #[must_use]
    pub fn with_origin(&self, origin: impl Into<Arc<str>>) -> Self {
        Self {
            origin: Some(origin.into()),
            ..self.clone()
        }
    }

    /// The same for another debug identity: another peer of the same origin, so that one can try a swarm alone. Any number;
    /// zero is the usual one.
    #[must_use]
    pub fn with_debug_identity(&self, debug_identity: u64) -> Self {
        Self {
            debug_identity,
            ..self.clone()
        }
    }

    /// The key by which others know us.
    pub fn public_key(&self) -> PublicKey {
        self.identity().public_key()
    }

    /// Joins a swarm; or shares it, where it is joined already.
    ///
    /// # Errors
    ///
    /// Those of the network; and a swarm of an origin needs an origin ([`Unsupported`](crate::ErrorKind::Unsupported)).
    pub async fn join(&self, id: SwarmId) -> Result<Swarm, Error> {
        self.join_as(id, None).await
    }

    /// Joins a swarm, and says what we are. Who meets us there knows it before our first message.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join); and session data that is too long is of kind [`Limit`](crate::ErrorKind::Limit).
    pub async fn join_with(
        &self,
        id: SwarmId,
        session_data: impl Into<Value>,
    ) -> Result<Swarm, Error> {
        self.join_as(id, Some(session_data.into())).await
    }

    /// Lets a peer in no more, whatever our origin and debug identity, and ends the connection to it.
    pub fn ban(&self, peer: PublicKey) {
        self.shared.options.guard.ban(peer);
        let owners: Vec<_> = lock(&self.shared.owners).clone();
        for owner in owners.iter().filter_map(Weak::upgrade) {
            owner.home.links.cut(&peer);
        }
    }

    /// Lets a peer in again, when it comes. False when it was not banned.
    pub fn unban(&self, peer: &PublicKey) -> bool {
        self.shared.options.guard.unban(peer)
    }

    async fn join_as(&self, id: SwarmId, session_data: Option<Value>) -> Result<Swarm, Error> {
        let origin = match (&id, &self.origin) {
            (SwarmId::Origin, None) => {
                return Err(Error::unsupported("a swarm of an origin needs an origin"));
            }
            (_, origin) => origin.as_deref().unwrap_or_default(),
        };
        let topic = id.topic(origin);
        loop {
            let home = self.home().await?;
            if let Some(swarm) = Swarm::join(&home, id.clone(), topic, session_data.clone()).await?
            {
                return Ok(swarm);
            }
        }
    }

    /// The peer that we are, on the network.
    async fn home(&self) -> Result<Arc<HomeOwner>, Error> {
        let mut homes = self.shared.homes.lock().await;
        let name = (self.origin_or_none(), self.debug_identity);
        if let Some(home) = homes.get(&name).and_then(Weak::upgrade) {
            if !home.is_closing() {
                return Ok(home);
            }
            let closed = home.closed();
            drop(home);
            closed.cancelled().await;
        }
        homes.retain(|_, home| home.strong_count() > 0);
        let identity = self.identity();
        let key = identity.public_key();
        let guard = self.shared.options.guard.clone();
        let presence = self.shared.network.open(identity, guard).await?;
        let home = HomeOwner::start(key, self.shared.options.clone(), presence);
        homes.insert(name, Arc::downgrade(&home));
        let mut owners = lock(&self.shared.owners);
        owners.retain(|owner| owner.strong_count() > 0);
        owners.push(Arc::downgrade(&home));
        Ok(home)
    }

    fn origin_or_none(&self) -> Arc<str> {
        self.origin.clone().unwrap_or_default()
    }

    /// The BLAKE2b-256 of a label, the secret, the number and the origin is the seed of its key.
    fn identity(&self) -> Identity {
        let mut hash = Blake2b::<U32>::new();
        hash.update("peersocket-identity");
        hash.update(self.shared.secret.as_bytes());
        hash.update(self.debug_identity.to_le_bytes());
        hash.update(self.origin_or_none().as_bytes());
        Identity::from_seed(&Seed::from_bytes(hash.finalize().into()))
    }
}

impl PeerSocketsBuilder {
    /// Sets the origin, such as `dat://example.com`: scheme and host, and the port where it is not the usual one. It is taken
    /// as it is. Without one, only open swarms can be joined.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Arc<str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets the debug identity. Zero unless set. See [`PeerSockets::with_debug_identity`].
    #[must_use]
    pub fn debug_identity(mut self, debug_identity: u64) -> Self {
        self.debug_identity = debug_identity;
        self
    }

    /// Sets the secret from which all keys follow, so that others know us again. A new one unless set.
    #[must_use]
    pub fn secret(mut self, secret: Seed) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Sets who is let in. It is asked about each connection, whoever made it, before anything is said over it, and has ten
    /// seconds to answer. A network may ask it earlier, without an address: `HyperNetwork` does while it shakes hands, and
    /// before it dials. Everybody is let in unless set.
    #[must_use]
    pub fn authorize<F, Fut>(mut self, authorize: F) -> Self
    where
        F: Fn(PeerInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let hook = Box::new(move |peer| authorize(peer).boxed());
        self.options.guard = Guard::new(Some(hook));
        self
    }

    /// Sets how many peers each origin and debug identity may be connected to. [`DEFAULT_MAX_PEERS`] unless set.
    ///
    /// Where one comes above that, the oldest goes that has no swarm in common with us; if all have, it is refused.
    #[must_use]
    pub fn max_peers(mut self, max: usize) -> Self {
        self.options.max_peers = max;
        self
    }

    /// Sets how long the content of a message may be, in bytes, sent and received. [`DEFAULT_MAX_MESSAGE`] unless set, and
    /// 16 MiB less 4 KiB at most. A peer that sends more loses the socket, or the connection.
    #[must_use]
    pub fn max_message(mut self, max: usize) -> Self {
        self.options.max_message = max.min(MAX_MESSAGE);
        self
    }

    /// Makes it. Nothing is said on the network before a swarm is joined.
    ///
    /// # Errors
    ///
    /// The system has no randomness for a new secret.
    pub fn build(self) -> Result<PeerSockets, Error> {
        let secret = match self.secret {
            Some(secret) => secret,
            None => Identity::generate()?.seed(),
        };
        Ok(PeerSockets {
            shared: Arc::new(Shared {
                network: self.network,
                secret,
                options: Arc::new(self.options),
                homes: tokio::sync::Mutex::default(),
                owners: Mutex::default(),
            }),
            origin: self.origin,
            debug_identity: self.debug_identity,
        })
    }
}

impl fmt::Debug for PeerSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSockets")
            .field("origin", &self.origin)
            .field("debug_identity", &self.debug_identity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PeerSocketsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSocketsBuilder")
            .field("origin", &self.origin)
            .field("debug_identity", &self.debug_identity)
            .finish_non_exhaustive()
    }
}
