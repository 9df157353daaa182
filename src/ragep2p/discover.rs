//! Where peers are.

use std::{collections::HashMap, future::Future, sync::Arc};

use futures_util::future::BoxFuture;

use super::HostHandle;
use crate::{Address, BoxError, Error, MultiAddress, PeerId};

/// Says where peers are.
///
/// ```
/// use tower_multiserver::{Address, BoxError, PeerId, ragep2p::Discoverer};
///
/// /// Everybody is behind one proxy.
/// struct Proxied;
///
/// impl Discoverer for Proxied {
///     async fn find(&self, peer: PeerId) -> Result<Vec<Address>, BoxError> {
///         Ok(vec![format!("ws://proxy.example/{peer}").parse()?])
///     }
/// }
/// ```
pub trait Discoverer: Send + Sync + 'static {
    /// The addresses of a peer, each a transport's alone, such as `net:10.0.0.7:6690`. They are dialed in turn.
    ///
    /// It is asked again for every dial, and given up after [`DIAL_TIMEOUT`](crate::DIAL_TIMEOUT) or with the peer.
    fn find(&self, peer: PeerId) -> impl Future<Output = Result<Vec<Address>, BoxError>> + Send;

    /// Runs from the host's start to its close, when it is dropped. What it needs of the host it finds in `host`.
    fn run(&self, _host: HostHandle) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// The host closes, and waits for this.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Peers whose addresses are known beforehand.
///
/// ```
/// use tower_multiserver::{Identity, PeerId, ragep2p::KnownPeers};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let oracle = PeerId::from(Identity::generate()?.public_key());
/// let known = KnownPeers::new().peer(oracle, "net:10.0.0.7:6690;ws://oracle.example/rage")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct KnownPeers(HashMap<PeerId, Vec<Address>>);

impl KnownPeers {
    /// Nobody is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds addresses of a peer.
    ///
    /// # Errors
    ///
    /// When they are none.
    pub fn peer<A>(mut self, peer: PeerId, addresses: A) -> Result<Self, Error>
    where
        A: TryInto<MultiAddress, Error: Into<Error>>,
    {
        let addresses = addresses.try_into().map_err(Into::into)?;
        let known = self.0.entry(peer).or_default();
        known.extend(addresses.iter().cloned());
        Ok(self)
    }
}

impl Discoverer for KnownPeers {
    async fn find(&self, peer: PeerId) -> Result<Vec<Address>, BoxError> {
        Ok(self.0.get(&peer).cloned().unwrap_or_default())
    }
}

impl<D: Discoverer> Discoverer for Arc<D> {
    fn find(&self, peer: PeerId) -> impl Future<Output = Result<Vec<Address>, BoxError>> + Send {
        (**self).find(peer)
    }

    fn run(&self, host: HostHandle) -> impl Future<Output = ()> + Send {
        (**self).run(host)
    }

    fn close(&self) -> impl Future<Output = ()> + Send {
        (**self).close()
    }
}

/// A [`Discoverer`] whose type is erased.
pub(super) trait AnyDiscoverer: Send + Sync {
    fn find(&self, peer: PeerId) -> BoxFuture<'_, Result<Vec<Address>, BoxError>>;
    fn run(&self, host: HostHandle) -> BoxFuture<'_, ()>;
    fn close(&self) -> BoxFuture<'_, ()>;
}

impl<D: Discoverer> AnyDiscoverer for D {
    fn find(&self, peer: PeerId) -> BoxFuture<'_, Result<Vec<Address>, BoxError>> {
        Box::pin(Discoverer::find(self, peer))
    }

    fn run(&self, host: HostHandle) -> BoxFuture<'_, ()> {
        Box::pin(Discoverer::run(self, host))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Discoverer::close(self))
    }
}
