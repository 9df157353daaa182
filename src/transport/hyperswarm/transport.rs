//! `hyperdht:KEY` as a transport.

use std::{
    fmt, io,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{lock::lock, transport::last_words::Counted};
use futures_util::future::{BoxFuture, Either, select};
use peeroxide_dht::crypto::hash;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, ErrorKind, HalfClose, Listen,
    Listener, LocalAddr, PeerAddr, PublicKey, RemoteKey, Scope, within,
};
use tower_service::Service;

use super::{
    HyperIo, HyperNode,
    inner::{Grant, Guest, Inner},
    meet,
    met::{Met, Opened},
    names::{Key, MaybeKey, key_section},
    pump::Pump,
    shared::{Failure, Shared},
};

/// The transport `hyperdht:KEY`, for both ends.
///
/// It dials the peer that proves this key, and listens under the key of its node: as `hyperdht` or as `hyperdht:KEY` with
/// that key. Its connections are of [`Scope::Public`] and have the peer's key as a fact ([`RemoteKey`]), the addresses of
/// both ends, [`HalfClose`] and [`Handshake`].
#[derive(Clone, Debug)]
pub struct HyperDht {
    node: HyperNode,
    dial_timeout: Duration,
}

/// A bound [`HyperDht`]. While there is one the node's key is announced.
pub struct HyperDhtListener {
    node: Arc<Inner>,
    guests: mpsc::Receiver<Guest>,
    _announcing: oneshot::Sender<()>,
}

/// A peer that has proved its key, before the first bytes of its stream.
pub struct HyperSocket {
    node: Arc<Inner>,
    guest: Guest,
}

/// A fact: what both ends of a connection of Hyperswarm know of its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The hash of the handshake, the same on both ends and on no other connection.
    pub hash: [u8; 64],
    /// Whether we opened the connection.
    pub is_initiator: bool,
}

/// How many peers wait to be accepted before a further one gets no answer.
const BACKLOG: usize = 128;

/// After how many seconds, and up to half as many again, an announcement is repeated; as often as npm hyperdht does.
pub(super) const REFRESH: u64 = 240;

/// How long it may take to take an announcement back. It is forgotten by itself within the hour.
const TAKE_BACK: Duration = Duration::from_secs(5);

impl HyperDht {
    /// The transport of a node.
    pub fn new(node: HyperNode) -> Self {
        Self {
            node,
            dial_timeout: DIAL_TIMEOUT,
        }
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Its node.
    pub fn node(&self) -> &HyperNode {
        &self.node
    }
}

impl Service<Address> for HyperDht {
    type Response = Connection<HyperIo>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let node = self.node.0.clone();
        let to = address.finish::<Key>("hyperdht");
        Box::pin(async move {
            let Key(key) = to?;
            let connection = within(deadline, dial(node, key)).await;
            let connection = connection.map_err(|e| e.at(|| Address::new(key_section(&key))))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl Service<Listen> for HyperDht {
    type Response = Bound<HyperDhtListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let key = address.clone().finish::<MaybeKey>("hyperdht");
        let node = self.node.0.clone();
        Box::pin(async move {
            let MaybeKey(key) = key?;
            if key.is_some_and(|key| key != node.key) {
                let reason = "a node listens under its own key only";
                return Err(Error::unsupported(reason).at(|| address));
            }
            let section = key_section(&node.key);
            let listener = open(node).await.map_err(|error| error.at(|| address))?;
            Ok(Bound::new(listener, [(Scope::Public, section)]))
        })
    }
}

impl Service<Accept<HyperSocket>> for HyperDht {
    type Response = Connection<HyperIo>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<HyperSocket>) -> Self::Future {
        Box::pin(async move {
            let section = key_section(&raw.guest.met.key());
            let accepted = within(deadline, accept(raw)).await;
            let accepted = accepted.map_err(|e| e.at(|| Address::new(section)))?;
            Ok(accepted.with_deadline(deadline))
        })
    }
}

async fn dial(node: Arc<Inner>, key: PublicKey) -> Result<Connection<HyperIo>, Error> {
    let grant = node.ask(key, None, true).await?;
    let (io, shared) = HyperIo::new();
    if node.is_swarming() {
        shared.hold(node.admission.dial(key, cut(&shared))?);
    }
    let connect = async {
        let met = meet::dial(&node, key).await?;
        Ok((Known::of(&met), met.open().await?))
    };
    let (known, opened) = unless_cut(&shared, connect).await?;
    connection(&node, io, shared, known, opened, grant).await
}

async fn accept(raw: HyperSocket) -> Result<Connection<HyperIo>, Error> {
    let HyperSocket { node, guest } = raw;
    let Guest { mut met, grant } = guest;
    let known = Known::of(&met);
    met.arrival().await?;
    let (io, shared) = HyperIo::new();
    if node.is_swarming() {
        // Who is refused is told at once, by the drop.
        let ticket = node.admission.accept(node.key, known.key, cut(&shared))?;
        shared.hold(ticket);
    }
    let opened = unless_cut(&shared, met.open()).await?;
    connection(&node, io, shared, known, opened, grant).await
}

const SUPERSEDED: Failure = (
    io::ErrorKind::ConnectionAborted,
    "another connection with the same peer has taken its place",
);

/// Ends a connection whose place another one takes.
fn cut(shared: &Arc<Shared>) -> impl FnOnce() + Send + 'static {
    let shared = shared.clone();
    move || shared.cut(SUPERSEDED)
}

/// Awaits the beginning of a connection, unless another takes its place.
async fn unless_cut<T>(
    shared: &Shared,
    begin: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match select(pin!(begin), pin!(shared.is_cut())).await {
        Either::Left((begun, _)) => begun,
        Either::Right(_) => Err(io::Error::new(SUPERSEDED.0, SUPERSEDED.1).into()),
    }
}

/// What the handshake told.
struct Known {
    key: PublicKey,
    handshake: Handshake,
}

impl Known {
    fn of(met: &Met) -> Self {
        Self {
            key: met.key(),
            handshake: Handshake {
                hash: met.handshake_hash(),
                is_initiator: met.is_initiator(),
            },
        }
    }
}

async fn connection(
    node: &Arc<Inner>,
    io: HyperIo,
    shared: Arc<Shared>,
    known: Known,
    opened: Opened,
    grant: Grant,
) -> Result<Connection<HyperIo>, Error> {
    let local = node.socket.local_addr().await;
    let local = local.map_err(|error| Error::new(ErrorKind::Closed, error))?;
    shared.connected(&opened.moved);
    let pump = Pump {
        shared,
        moved: opened.moved.clone(),
        idle: node.idle,
    };
    let peer = opened.peer;
    // The node lives as long as its connections do.
    let alive = node.clone();
    node.spawn(async move {
        pump.run(opened.stream).await;
        drop(alive);
    });
    let mut connection = Connection::new(io, key_section(&known.key))
        .with(PeerAddr(peer))
        .with(LocalAddr(local))
        .with(Scope::Public)
        .with(HalfClose)
        .with(known.handshake)
        .with(RemoteKey(known.key));
    grant(connection.info_mut());
    Ok(connection)
}

async fn open(node: Arc<Inner>) -> Result<HyperDhtListener, Error> {
    let (door, guests) = mpsc::channel(BACKLOG);
    let target = hash(node.key.as_bytes());
    {
        let mut own = lock(&node.door);
        if own.as_ref().is_some_and(|door| !door.is_closed()) {
            return Err(io::Error::from(io::ErrorKind::AddrInUse).into());
        }
        *own = Some(door);
    }
    node.dht.register_server(&target);
    let (announcing, closed) = oneshot::channel();
    let listener = HyperDhtListener {
        node: node.clone(),
        guests,
        _announcing: announcing,
    };
    {
        let _turn = node.announcing.lock().await;
        node.announce(target).await?;
    }
    let weak = Arc::downgrade(&node);
    node.spawn(async move {
        let mut closed = closed;
        loop {
            let pause = Duration::from_secs(fastrand::u64(REFRESH..REFRESH + REFRESH / 2));
            if let Either::Left(_) = select(&mut closed, pin!(sleep(pause))).await {
                return;
            }
            let Some(node) = weak.upgrade() else { return };
            if let Err(error) = node.announce(target).await {
                tracing::debug!(%error, "the node's key could not be announced again");
            }
        }
    });
    Ok(listener)
}

impl Drop for HyperDhtListener {
    fn drop(&mut self) {
        let target = hash(self.node.key.as_bytes());
        self.node.dht.unregister_server(&target);
        *lock(&self.node.door) = None;
        let node = self.node.clone();
        let counted = Counted::new();
        self.node.spawn(async move {
            let _counted = counted;
            let take_back = async {
                let _turn = node.announcing.lock().await;
                let listens_again = lock(&node.door).is_some();
                match listens_again {
                    true => Ok(()),
                    false => node.unannounce(target).await,
                }
            };
            if let Err(error) = within(Instant::now().checked_add(TAKE_BACK), take_back).await {
                tracing::debug!(%error, "the node's key could not be taken back");
            }
        });
    }
}

impl Listener for HyperDhtListener {
    type Raw = HyperSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<HyperSocket>>> {
        self.guests.poll_recv(cx).map(|guest| {
            let node = self.node.clone();
            Some(Ok(HyperSocket {
                node,
                guest: guest?,
            }))
        })
    }

    fn peer_ip(raw: &HyperSocket) -> Option<IpAddr> {
        raw.guest.met.peer_ip()
    }
}

impl fmt::Debug for HyperDhtListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperDhtListener")
            .field("key", &self.node.key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HyperSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperSocket")
            .field("key", &self.guest.met.key())
            .finish_non_exhaustive()
    }
}
