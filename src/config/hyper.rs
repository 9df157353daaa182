//! What `hyperdht`, `hyperswarm` and `dht` are made of.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{sync::OnceCell, time::Instant};
use tower::ServiceExt as _;
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, Error, ErrorKind, Identity, Listen, PublicKey, Section,
    Seed, within,
};
use tower_service::Service;

use super::{Allow, Config, Invalid};
use crate::hyperswarm::{
    Gate, HyperDht, HyperDhtListener, HyperIo, HyperNode, HyperNodeBuilder, HyperSocket,
    HyperSwarm, Topic, is_rendezvous, peer_of,
};

/// The transport `hyperdht`, with a node that there is once it is needed. Clones have the same.
#[derive(Clone)]
pub(super) struct Hyper(Arc<Shared>);

struct Shared {
    builder: HyperNodeBuilder,
    node: OnceCell<HyperNode>,
    dial_timeout: Option<Duration>,
    /// Whether only guests are answered.
    asks: Arc<AtomicBool>,
}

impl Hyper {
    pub(super) fn new(config: &Config, identity: &Identity) -> Result<Self, Error> {
        let asks = Arc::new(AtomicBool::new(false));
        let gate = gate(config.allow.as_ref(), asks.clone());
        let mut builder = HyperNode::builder(identity.clone()).gate(gate);
        for node in &config.bootstrap {
            let port = node.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(1..))) {
                let reason = format!("`{}` is not HOST:PORT", node.escape_debug());
                let kind = ErrorKind::Unsupported;
                return Err(Invalid::error(kind, "bootstrap", reason));
            }
        }
        if !config.bootstrap.is_empty() {
            builder = builder.bootstrap(&config.bootstrap);
        }
        Ok(Self(Arc::new(Shared {
            builder,
            node: OnceCell::new(),
            dial_timeout: config.dial_timeout,
            asks,
        })))
    }

    /// From now on only guests are answered: no transform will ask.
    pub(super) fn ask_guests(&self) {
        self.0.asks.store(true, Ordering::Relaxed);
    }

    async fn transport(self) -> Result<HyperDht, Error> {
        let start = || self.0.builder.clone().spawn();
        let node = self.0.node.get_or_try_init(start).await?.clone();
        let transport = HyperDht::new(node);
        Ok(match self.0.dial_timeout {
            Some(timeout) => transport.dial_timeout(timeout),
            None => transport,
        })
    }

    /// The first peer of a topic that `dialer` reaches.
    pub(super) fn find<D>(
        &self,
        dialer: D,
        address: Address,
    ) -> BoxFuture<'static, Result<Connection, Error>>
    where
        D: Service<Address, Response = Connection, Error = Error> + Clone + Send + 'static,
        D::Future: Send,
    {
        let hyper = self.clone();
        let timeout = hyper.0.dial_timeout;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Box::pin(async move {
            let at = address.clone();
            let transport = within(deadline, hyper.transport()).await;
            let transport = transport.map_err(|e| e.at(|| at))?;
            let swarm = HyperSwarm::new(transport.node().clone(), dialer);
            let swarm = match timeout {
                Some(timeout) => swarm.dial_timeout(timeout),
                None => swarm,
            };
            swarm.oneshot(address).await
        })
    }
}

/// Whom the node answers. Whom we dial is no guest.
fn gate(allow: Option<&Allow>, asks: Arc<AtomicBool>) -> Gate {
    let guests = match allow {
        Some(Allow::All) => None,
        Some(Allow::Keys(keys)) => Some(keys.clone()),
        None => Some(Vec::new()),
    };
    Arc::new(move |key, _, dials| {
        let is_guest = guests.as_ref().is_none_or(|guests| guests.contains(&key));
        let lets_in = dials || is_guest || !asks.load(Ordering::Relaxed);
        Box::pin(std::future::ready(lets_in))
    })
}

impl Service<Address> for Hyper {
    type Response = Connection<HyperIo>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let this = self.clone();
        let timeout = this.0.dial_timeout;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Box::pin(async move {
            let at = address.clone();
            let transport = within(deadline, this.transport()).await;
            transport.map_err(|e| e.at(|| at))?.oneshot(address).await
        })
    }
}

impl Service<Listen> for Hyper {
    type Response = Bound<HyperDhtListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, listen: Listen) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.transport().await?.oneshot(listen).await })
    }
}

impl Service<Accept<HyperSocket>> for Hyper {
    type Response = Connection<HyperIo>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<HyperSocket>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.transport().await?.oneshot(accept).await })
    }
}

/// Whether the section names a topic.
pub(super) fn is_topic(section: &Section) -> bool {
    is_rendezvous(section)
}

/// The address as it is read: that of some peer of it, if it is one of a topic.
pub(super) fn as_read<'a>(
    address: &'a Address,
    named: impl Fn(&Section) -> Option<PublicKey>,
) -> Result<Cow<'a, Address>, Error> {
    let (rendezvous, transforms) = (address.transport(), address.transforms());
    if !is_topic(rendezvous) {
        return Ok(Cow::Borrowed(address));
    }
    Topic::of_section(rendezvous)?;
    let somebody = || Identity::from_seed(&Seed::from_bytes([1; 32])).public_key();
    let key = transforms.iter().find_map(named).unwrap_or_else(somebody);
    Ok(Cow::Owned(peer_of(address, &key)))
}
