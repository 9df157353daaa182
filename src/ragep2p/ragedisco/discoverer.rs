//! Discovery over the streams of a host.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use tokio_util::sync::CancellationToken;

use super::{
    BUFFERED_MESSAGES, BURST_MESSAGES, CounterSpent, Endpoints, Group, GroupDigest, GroupError,
    MAX_MESSAGE_LEN, Registry, STREAM_NAME, Store, message_rate,
    service::{Discovery, Receiver, Sender, Streams},
};
use crate::lock::lock;
use crate::{
    Address, BoxError, Identity, PeerId,
    ragep2p::{Discoverer, HostHandle, Limits, RateLimit},
};

/// Finds peers by what they tell each other over the streams of a host. Clones are of the same.
///
/// ```
/// use tower_multiserver::{
///     Identity,
///     ragep2p::{Host, ragedisco::{Endpoint, Group, GroupDigest, Ragedisco}},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (us, them) = (Identity::generate()?, Identity::generate()?);
/// let announced: Endpoint = "203.0.113.1:6690".parse()?;
/// let discovery = Ragedisco::builder(us.clone(), announced.into()).build();
///
/// // Who finds whom, and where to begin.
/// let group = Group::new([us.public_key().into(), them.public_key().into()])
///     .bootstrapper(them.public_key().into(), ["net:203.0.113.2:6690".parse()?]);
/// discovery.add_group(GroupDigest::from_bytes([7; 32]), group)?;
///
/// let host = Host::builder(us).listen("net:127.0.0.1:0")?.discover(discovery).start().await?;
/// # host.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Ragedisco(Arc<Inner>);

struct Inner {
    own: PeerId,
    discovery: Discovery,
    streams: HostStreams,
    /// What does the work, until a host runs it.
    service: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Whether there is nothing to wait for at the end.
    ended: CancellationToken,
}

/// A [`Ragedisco`] to be made.
#[must_use = "it does nothing until it is built"]
pub struct RagediscoBuilder {
    identity: Identity,
    endpoints: Endpoints,
    store: Option<Arc<dyn Store>>,
    interval: Duration,
}

impl Ragedisco {
    /// Discovery for the host of this identity, which announces that it is reached at `endpoints`.
    pub fn builder(identity: Identity, endpoints: Endpoints) -> RagediscoBuilder {
        RagediscoBuilder {
            identity,
            endpoints,
            store: None,
            interval: Duration::from_secs(60),
        }
    }

    /// Adds a group: its peers are told what they may know as soon as what is kept of them is read.
    ///
    /// # Errors
    ///
    /// When there is one of this digest, or when all groups together would have more than
    /// [`MAX_ORACLES`](super::MAX_ORACLES) oracles.
    pub fn add_group(&self, digest: GroupDigest, group: Group) -> Result<(), GroupError> {
        self.0.discovery.add_group(digest, group)
    }

    /// Removes a group, and says whether it was there.
    pub fn remove_group(&self, digest: GroupDigest) -> bool {
        self.0.discovery.remove_group(digest)
    }

    /// Announces other addresses, at once.
    ///
    /// # Errors
    ///
    /// When the last announcement had the highest counter that there is; then it stays.
    pub fn set_endpoints(&self, endpoints: Endpoints) -> Result<(), CounterSpent> {
        self.0.discovery.set_endpoints(endpoints)
    }
}

impl RagediscoBuilder {
    /// Keeps what is known in `store`, so that a restart begins with it.
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets how often each peer is told all that it may know: upstream's `deltaReconcile`. A minute unless set. Peers whose
    /// intervals differ much refuse a part of each other's messages.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Makes it. It begins when a host starts with it.
    pub fn build(self) -> Ragedisco {
        let own = PeerId::from(self.identity.public_key());
        let rate = message_rate(self.interval);
        let streams = HostStreams {
            host: Arc::default(),
            limits: Limits {
                outgoing: BUFFERED_MESSAGES,
                incoming: BUFFERED_MESSAGES,
                max_message: MAX_MESSAGE_LEN,
                messages: RateLimit::new(rate, BURST_MESSAGES),
                bytes: RateLimit::new(
                    rate * MAX_MESSAGE_LEN as f64,
                    const { BURST_MESSAGES * MAX_MESSAGE_LEN as u32 },
                ),
            },
        };
        let registry = Registry::new(self.identity, self.endpoints);
        let (discovery, service) =
            Discovery::new(registry, streams.clone(), self.store, self.interval);
        Ragedisco(Arc::new(Inner {
            own,
            discovery,
            streams,
            service: Mutex::new(Some(Box::pin(service))),
            ended: CancellationToken::new(),
        }))
    }
}

impl Discoverer for Ragedisco {
    async fn find(&self, peer: PeerId) -> Result<Vec<Address>, BoxError> {
        Ok(self.0.discovery.find(peer))
    }

    async fn run(&self, host: HostHandle) {
        if host.id() != self.0.own {
            let (host, own) = (host.id(), self.0.own);
            tracing::error!(%host, %own, "discovery has another identity than its host, and does nothing");
            return;
        }
        let service = lock(&self.0.service).take();
        match service {
            Some(service) => {
                let _ended = self.0.ended.clone().drop_guard();
                let _ = self.0.streams.host.set(host);
                service.await;
            }
            None => {
                tracing::error!("discovery is for one host only, and does nothing for a second")
            }
        }
    }

    async fn close(&self) {
        let is_running = lock(&self.0.service).is_none();
        if is_running {
            self.0.discovery.end();
            self.0.ended.cancelled().await;
        }
    }
}

/// The streams of the host that runs it.
#[derive(Clone)]
struct HostStreams {
    host: Arc<OnceLock<HostHandle>>,
    limits: Limits,
}

impl Streams for HostStreams {
    fn open(&mut self, peer: PeerId) -> Result<(Sender, Receiver), BoxError> {
        let host = self.host.get().ok_or("the host has not started")?;
        let stream = host.stream(peer, STREAM_NAME).limits(self.limits).open()?;
        let sender = Arc::new(stream);
        let receiver = sender.clone();
        // What does not go out now is told again with all the rest.
        let send = move |message: Vec<u8>| {
            let _ = sender.send(message);
        };
        let receive = stream::poll_fn(move |cx| receiver.poll_recv_shared(cx));
        Ok((Box::new(send), receive.map(Vec::from).boxed()))
    }
}

impl fmt::Debug for Ragedisco {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ragedisco")
            .field("own", &self.0.own)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RagediscoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RagediscoBuilder")
            .field("identity", &self.identity)
            .field("endpoints", &self.endpoints)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
