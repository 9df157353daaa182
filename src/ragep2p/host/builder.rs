//! How a host is set up.

use std::{sync::Arc, time::Duration};

use tower::{ServiceBuilder, timeout::TimeoutLayer};
use tower_service::Service;

use super::{Host, Owner, Running, Shared};
use crate::{
    Accept, Address, Bound, BoxError, Connection, Error, ErrorKind, Identity, Io, Listen, Listener,
    MultiAddress, MultiServer, PeerId, Section,
    knock::KnockLayer,
    mtls::{MtlsLayer, Provider},
    net::Net,
    ragep2p::{
        Discoverer, KnownPeers, MeterLayer, RateLimit, Version,
        discover::AnyDiscoverer,
        metrics::HostMetrics,
        registry::{Registry, Wanted},
        tasks::Tasks,
    },
};

/// A host to be started.
///
/// ```
/// use std::time::Duration;
/// use tower_multiserver::{
///     Identity, PeerId,
///     ragep2p::{Host, KnownPeers, Version},
///     ws::Ws,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peer = PeerId::from(Identity::generate()?.public_key());
/// let host = Host::builder(Identity::generate()?)
///     .transport(Ws::new())
///     .listen("net:127.0.0.1:0;ws://127.0.0.1:0")?
///     .discover(KnownPeers::new().peer(peer, "ws://peer.example/rage;net:10.0.0.7:6690")?)
///     .dial_interval(Duration::from_secs(5))
///     .version(Version::V2)
///     .start()
///     .await?;
/// assert_eq!(host.addresses().len(), 2);
/// # Ok(())
/// # }
/// ```
#[must_use = "it is not started yet"]
pub struct HostBuilder {
    identity: Identity,
    listen: Vec<Address>,
    transports: Vec<Box<dyn AddTransport>>,
    discoverer: Arc<dyn AnyDiscoverer>,
    dial_interval: Duration,
    connect_timeout: Option<Duration>,
    version: Version,
    provider: Provider,
}

/// How many connections a peer may open at once.
const INBOUND_BURST: u32 = 4;

/// How many unfinished handshakes there are at once on each address: enough for every peer of a large network to come back in
/// one moment, few enough that strangers cannot take the descriptors.
const MAX_HANDSHAKES: usize = 48;

impl HostBuilder {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            listen: Vec::new(),
            transports: Vec::new(),
            discoverer: Arc::new(KnownPeers::new()),
            dial_interval: Duration::from_secs(1),
            connect_timeout: None,
            version: Version::default(),
            provider: Provider::RING,
        }
    }

    /// Listens at these addresses too, each a transport's alone, such as `net:0.0.0.0:6690`. A host that listens nowhere only
    /// dials.
    ///
    /// # Errors
    ///
    /// When they are none.
    pub fn listen<A>(mut self, addresses: A) -> Result<Self, Error>
    where
        A: TryInto<MultiAddress, Error: Into<Error>>,
    {
        let addresses = addresses.try_into().map_err(Into::into)?;
        self.listen.extend(addresses.iter().cloned());
        Ok(self)
    }

    /// Adds a transport, such as [`Ws`](crate::ws::Ws) for peers behind proxies. [`Net`] is always there, behind those that
    /// were added.
    pub fn transport<T, L, I, J>(mut self, transport: T) -> Self
    where
        T: Service<
                Address,
                Response = Connection<I>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        T: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send + 'static>,
        T: Service<
                Accept<L::Raw>,
                Response = Connection<J>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        T: Clone + Send + Sync + 'static,
        L: Listener,
        I: Io,
        J: Io,
    {
        self.transports.push(Box::new(
            move |layers: &Layers, dialer: MultiServer, server: MultiServer| {
                let stack = ServiceBuilder::new()
                    .layer(layers.mtls.clone())
                    .layer(MeterLayer)
                    .layer(layers.knock.clone());
                let connect = TimeoutLayer::new(layers.connect_timeout);
                (
                    dialer.stack(stack.clone().layer(connect).service(transport.clone())),
                    server.stack(stack.service(transport.clone())),
                )
            },
        ));
        self
    }

    /// Says where peers are. Nobody is known unless set.
    pub fn discover(mut self, discoverer: impl Discoverer) -> Self {
        self.discoverer = Arc::new(discoverer);
        self
    }

    /// Sets how long to wait between dials of a peer: this long at least and twice as long at most, chosen anew each time. A
    /// peer may connect to us as often. One second unless set.
    pub fn dial_interval(mut self, interval: Duration) -> Self {
        self.dial_interval = interval;
        self
    }

    /// Sets how long a transport may take to connect, before any handshake. The [dial interval](Self::dial_interval) unless
    /// set, which is little for an onion service.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sets which version of the Go package to answer as. [`Version::V1`] unless set.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets whose cryptography TLS uses. [`Provider::RING`] unless set.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = provider;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened at, or the dial interval is zero or longer than a day.
    pub async fn start(self) -> Result<Host, Error> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        if self.dial_interval.is_zero() || self.dial_interval > DAY {
            let reason = "the dial interval is longer than nothing and at most a day";
            return Err(Error::new(ErrorKind::Other, reason));
        }
        let this = self.transport(Net::new());
        let own = PeerId::from(this.identity.public_key());
        let per_second = (2.0 / this.dial_interval.as_secs_f64()).max(0.5);
        let inbound = RateLimit::new(per_second, INBOUND_BURST);
        let registry = Arc::new(Registry::new(own, this.version, inbound));
        let layers = Layers {
            mtls: MtlsLayer::new(this.identity.clone()).provider(this.provider),
            knock: KnockLayer::new(this.identity).authorize(Wanted(registry.clone())),
            connect_timeout: this.connect_timeout.unwrap_or(this.dial_interval),
        };
        let server = MultiServer::new().max_handshakes(MAX_HANDSHAKES);
        let empty = (MultiServer::new(), server);
        let (dialer, server) = this.transports.iter().fold(empty, |(dialer, server), add| {
            add.add(&layers, dialer, server)
        });
        let mut listening = Vec::new();
        for mut address in this.listen {
            for layer in ["knock", "mtls"] {
                address.push(Section::new(layer));
            }
            listening.push(server.listen(address).await?);
        }
        let addresses = listening
            .iter()
            .flat_map(|one| one.all_addresses())
            .cloned()
            .collect();
        let running = Running(Arc::new(Shared {
            registry,
            dialer,
            discoverer: this.discoverer,
            dial_interval: this.dial_interval,
            metrics: HostMetrics::new(own),
            closing: Default::default(),
            tasks: Tasks::new(),
        }));
        running.start(listening);
        Ok(Host {
            addresses,
            _owner: Arc::new(Owner(running.clone())),
            running,
        })
    }
}

/// The layers over every transport.
struct Layers {
    mtls: MtlsLayer,
    knock: KnockLayer<Wanted>,
    connect_timeout: Duration,
}

/// A transport whose type is erased.
trait AddTransport: Send {
    /// Adds it to who dials and to who listens.
    fn add(
        &self,
        layers: &Layers,
        dialer: MultiServer,
        server: MultiServer,
    ) -> (MultiServer, MultiServer);
}

impl<F> AddTransport for F
where
    F: Fn(&Layers, MultiServer, MultiServer) -> (MultiServer, MultiServer) + Send,
{
    fn add(
        &self,
        layers: &Layers,
        dialer: MultiServer,
        server: MultiServer,
    ) -> (MultiServer, MultiServer) {
        self(layers, dialer, server)
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder")
            .field("identity", &self.identity)
            .field("listen", &self.listen)
            .field("dial_interval", &self.dial_interval)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
