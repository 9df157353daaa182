//! A network of known addresses, over a [`MultiServer`].

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture, stream};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep},
};

use super::{
    Guard, Topic,
    choice::{Choice, Chosen},
    network::{Link, Membership, Network, Node, Presence},
};
use crate::{
    ACCEPT_TIMEOUT, Address, Connection, DIAL_TIMEOUT, Error, ErrorKind, Identity, Listening,
    MultiAddress, MultiServer, PeerAddr, PublicKey, Scope, within,
};
use crate::{lock::lock, uneven::uneven};

/// How long to wait before an address is dialed again, at first and at most, unless set.
const REDIAL: Duration = Duration::from_secs(1);
const MAX_REDIAL: Duration = Duration::from_secs(60);

/// How many connections may be new at once: accepted, and not yet chosen. One more takes the place of the oldest, so that
/// mute peers keep nobody out.
const MAX_NEW: usize = 64;

/// How many connections wait to be taken.
const LINKS: usize = 16;

/// A network of known addresses: each is dialed until there is a connection, and again when that ends. Whoever dials us is
/// taken too. There are no announcements: who is connected and in the same swarm meets there.
///
/// A peer is known by the key that it proves, so each address must have a section in which it does, such as `shs` or
/// `noise`. Connections in which no key was proved are closed. Where two peers dial each other, or one has several
/// addresses, one connection is kept.
///
/// Nobody is found who was not named, not even on the local network: the crate that could do that by multicast DNS
/// (`mdns-sd` 0.21) remembers as many services as anybody there cares to invent.
///
/// Clones are of the same network.
///
/// ```
/// use serde_json::json;
/// use tower::ServiceBuilder;
/// use tower_multiserver::{
///     Identity, MultiServer,
///     net::Net,
///     peer_socket::{AddressNetwork, Message, PeerSockets, SwarmId},
///     shs::ShsLayer,
/// };
///
/// /// Each peer dials and listens with a key of its own.
/// fn stacks(identity: Identity) -> MultiServer {
///     let shs = ShsLayer::new(identity);
///     MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let at_bob = AddressNetwork::new(stacks).listen("net:127.0.0.1:0~shs")?;
/// let bob = PeerSockets::builder(at_bob.clone()).build()?;
/// let bobs = bob.join(SwarmId::open("room")).await?;
///
/// let network = AddressNetwork::new(stacks);
/// for (_, address) in at_bob.addresses(&bob.public_key()) {
///     network.add_peer(address)?;
/// }
/// let alice = PeerSockets::builder(network).build()?.join(SwarmId::open("room")).await?;
///
/// alice.next_socket().await.send(json!("hello")).await?;
/// let hello = bobs.next_socket().await.recv().await;
/// assert_eq!(hello, Some(Ok(Message::Json(json!("hello")))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AddressNetwork {
    shared: Arc<Shared>,
    listen: Option<MultiAddress>,
    redial: Duration,
}

struct Shared {
    stacks: Box<dyn Fn(Identity) -> MultiServer + Send + Sync>,
    peers: watch::Sender<Vec<MultiAddress>>,
    bound: Mutex<HashMap<PublicKey, Vec<(Scope, Address)>>>,
}

impl AddressNetwork {
    /// A network whose peers dial and listen with what `stacks` makes of their identity.
    pub fn new(stacks: impl Fn(Identity) -> MultiServer + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                stacks: Box::new(stacks),
                peers: watch::Sender::default(),
                bound: Mutex::default(),
            }),
            listen: None,
            redial: REDIAL,
        }
    }

    /// Sets where to listen. Each origin and debug identity does so by itself while it is in a swarm, so where there are
    /// several, the ports must be 0.
    ///
    /// # Errors
    ///
    /// It is no address.
    pub fn listen(
        mut self,
        addresses: impl TryInto<MultiAddress, Error: Into<Error>>,
    ) -> Result<Self, Error> {
        self.listen = Some(addresses.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Sets how long to wait before an address is dialed again. It is a second unless set, and doubles up to a minute as
    /// long as no connection lasts.
    #[must_use]
    pub fn redial(mut self, pause: Duration) -> Self {
        self.redial = pause;
        self
    }

    /// Adds a peer, now or later: one address, or several of which the first is dialed that is understood. An address that
    /// leads to ourselves is let be.
    ///
    /// # Errors
    ///
    /// It is no address.
    pub fn add_peer(
        &self,
        addresses: impl TryInto<MultiAddress, Error: Into<Error>>,
    ) -> Result<(), Error> {
        let addresses = addresses.try_into().map_err(Into::into)?;
        self.shared.peers.send_modify(|peers| peers.push(addresses));
        Ok(())
    }

    /// Under which addresses one of ours is reached, while it is in a swarm, and whom to tell.
    pub fn addresses(&self, own: &PublicKey) -> Vec<(Scope, Address)> {
        let bound = lock(&self.shared.bound);
        bound.get(own).cloned().unwrap_or_default()
    }
}

impl Network for AddressNetwork {
    fn open(&self, identity: Identity, _: Guard) -> BoxFuture<'_, Result<Presence, Error>> {
        async move {
            let own = identity.public_key();
            let stacks = (self.shared.stacks)(identity);
            let listening = match &self.listen {
                Some(addresses) => Some(stacks.listen(addresses.clone()).await?),
                None => None,
            };
            if let Some(listening) = &listening {
                let addresses = listening.all_addresses().to_vec();
                lock(&self.shared.bound).insert(own, addresses);
            }
            let (links, receiver) = mpsc::channel(LINKS);
            let meeting = Meeting {
                own,
                stacks,
                redial: self.redial,
                chosen: Arc::default(),
                links,
            };
            let mut task = JoinSet::new();
            task.spawn(meeting.run(listening, self.shared.peers.subscribe()));
            let node = AddressNode {
                own,
                shared: self.shared.clone(),
                task: tokio::sync::Mutex::new(task),
            };
            let links = stream::unfold(receiver, async |mut receiver| {
                Some((receiver.recv().await?, receiver))
            });
            Ok(Presence::new(node, links))
        }
        .boxed()
    }
}

struct AddressNode {
    own: PublicKey,
    shared: Arc<Shared>,
    task: tokio::sync::Mutex<JoinSet<()>>,
}

/// Nobody is told of topics, so there is nothing to leave.
struct Unannounced;

impl Node for AddressNode {
    fn join(&self, _: Topic) -> BoxFuture<'_, Result<Box<dyn Membership>, Error>> {
        async { Ok(Box::new(Unannounced) as Box<dyn Membership>) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.task.lock().await.shutdown().await;
            lock(&self.shared.bound).remove(&self.own);
        }
        .boxed()
    }
}

impl Membership for Unannounced {
    fn leave(self: Box<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

impl Drop for AddressNode {
    fn drop(&mut self) {
        lock(&self.shared.bound).remove(&self.own);
    }
}

/// Dials and accepts.
#[derive(Clone)]
struct Meeting {
    own: PublicKey,
    stacks: MultiServer,
    redial: Duration,
    chosen: Arc<Chosen>,
    links: mpsc::Sender<Link>,
}

impl Meeting {
    async fn run(
        self,
        mut listening: Option<Listening>,
        mut peers: watch::Receiver<Vec<MultiAddress>>,
    ) {
        peers.mark_changed();
        let mut dialing = JoinSet::new();
        let mut accepted = JoinSet::new();
        let mut oldest_first = VecDeque::<AbortHandle>::new();
        let mut dialed = 0;
        let mut more = true;
        loop {
            let next = async {
                match &mut listening {
                    Some(listening) => listening.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(_) = accepted.join_next() => oldest_first.retain(|task| !task.is_finished()),
                Some(_) = dialing.join_next() => {}
                changed = peers.changed(), if more => {
                    more = changed.is_ok();
                    let peers = peers.borrow_and_update();
                    let new = peers.iter().skip(dialed);
                    dialed = peers.len();
                    for addresses in new {
                        dialing.spawn(self.clone().keep_dialing(addresses.clone()));
                    }
                }
                connection = next => match connection {
                    // Failures are traced by the stack.
                    Some(Ok(connection)) => {
                        if oldest_first.len() >= MAX_NEW
                            && let Some(oldest) = oldest_first.pop_front()
                        {
                            oldest.abort();
                        }
                        let this = self.clone();
                        oldest_first.push_back(accepted.spawn(async move {
                            this.accept(connection).await;
                        }));
                    }
                    Some(Err(_)) => {}
                    None => listening = None,
                },
            }
        }
    }

    async fn accept(self, connection: Connection) {
        let deadline = Instant::now().checked_add(ACCEPT_TIMEOUT);
        let met = within(deadline, self.meet(connection, false)).await;
        if let Err(error) = met {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a peer did not greet"
            );
        }
    }

    /// Dials an address whenever there is no connection to its peer.
    async fn keep_dialing(self, addresses: MultiAddress) {
        let mut pause = self.redial;
        loop {
            let began = Instant::now();
            let deadline = began.checked_add(DIAL_TIMEOUT);
            let dialed = within(deadline, async {
                let connection = self.stacks.dial(addresses.clone()).await?;
                self.meet(connection, true).await
            });
            match dialed.await {
                Ok(peer) if peer == self.own => return,
                Ok(peer) => self.until_lost(&peer).await,
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "an address of a peer cannot be dialed");
                    return;
                }
                // Traced by the stack.
                Err(_) => {}
            }
            if began.elapsed() > MAX_REDIAL {
                pause = self.redial;
            }
            sleep(uneven(pause)).await;
            pause = pause.saturating_mul(2).min(MAX_REDIAL.max(self.redial));
        }
    }

    async fn until_lost(&self, peer: &PublicKey) {
        loop {
            let ended = self.chosen.ended.notified();
            if !self.chosen.has(peer) {
                return;
            }
            ended.await;
        }
    }

    /// Hands a connection over, if it is the one to be kept. Whose it is.
    async fn meet(&self, mut connection: Connection, dialed: bool) -> Result<PublicKey, Error> {
        let Some(peer) = connection.info().remote_key() else {
            return Err(Error::unsupported("nothing in the address proves a key"));
        };
        if peer == self.own {
            return Ok(peer);
        }
        let chosen = &self.chosen;
        let choice = chosen
            .choose(&mut connection, self.own, peer, dialed)
            .await?;
        if let Choice::This(place, hash) = choice {
            let address = connection.info().get().map(|PeerAddr(address)| *address);
            let link = Link::over(connection, peer, hash)
                .address(address)
                .initiator(dialed)
                .lease(place);
            // Who takes them may be gone.
            let _ = self.links.send(link).await;
        }
        Ok(peer)
    }
}

impl fmt::Debug for AddressNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressNetwork").finish_non_exhaustive()
    }
}
