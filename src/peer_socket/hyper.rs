//! Hyperswarm as a network.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tower::discover::Change;

use super::{
    Guard, Topic,
    network::{Link, Membership, Network, Node, Presence},
};
use crate::lock::lock;
use crate::{
    Error, Identity, Incoming, Info, PeerAddr, Shutdown, StackExt as _,
    hyperswarm::{
        self, Handshake, HyperDht, HyperDhtListener, HyperIo, HyperNode, HyperNodeBuilder,
        HyperSwarm,
    },
};

/// The network of [Hyperswarm](crate::hyperswarm): peers find each other by the topic of their swarm in its DHT, with npm
/// hyperswarm 4 too. Needs the feature `hyperswarm`.
///
/// Each origin and debug identity is a node of its own, with a UDP port of its own. The peer's key and the hash of the
/// connection are those of Hyperswarm's Noise handshake, and each frame is one message of its secret stream: a peer from npm
/// takes part with protomux over its connection.
///
/// Who is not let in is refused while it shakes hands, and gets no answer. It waits three seconds for one, so what
/// [`authorize`](super::PeerSocketsBuilder::authorize) takes longer for is refused at first. It is asked once for each
/// attempt to connect. Where the node and [`max_peers`](super::PeerSocketsBuilder::max_peers) allow different numbers of peers,
/// the smaller one counts.
///
/// ```
/// use std::net::{Ipv4Addr, SocketAddrV4};
///
/// use serde_json::json;
/// use tower_multiserver::{
///     Identity,
///     hyperswarm::HyperNode,
///     peer_socket::{HyperNetwork, Message, PeerSockets, SwarmId},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
/// // A DHT on this machine. Its first node asks nobody.
/// let first = HyperNode::builder(Identity::generate()?).bind(local).bootstrap([""; 0]);
/// let first = first.persistent(true).spawn().await?;
/// let dht = first.local_addr().await?;
///
/// let network = HyperNetwork::with(move |node| node.bind(local).bootstrap([dht]));
/// let alice = PeerSockets::builder(network.clone()).build()?.join(SwarmId::open("room")).await?;
/// let bob = PeerSockets::builder(network).build()?.join(SwarmId::open("room")).await?;
///
/// alice.next_socket().await.send(json!("hello")).await?;
/// let hello = bob.next_socket().await.recv().await;
/// assert_eq!(hello, Some(Ok(Message::Json(json!("hello")))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperNetwork {
    configure: Arc<dyn Fn(HyperNodeBuilder) -> HyperNodeBuilder + Send + Sync>,
}

/// How many connections wait to be taken.
const LINKS: usize = 16;

impl HyperNetwork {
    /// The public network, by nodes as they are unless set.
    pub fn new() -> Self {
        Self::with(|node| node)
    }

    /// A network whose nodes are as `configure` makes them, for [a DHT of one's own](HyperNodeBuilder::bootstrap) or [at a
    /// certain port](HyperNodeBuilder::bind). Where there are several origins or debug identities, the port must be 0.
    pub fn with(
        configure: impl Fn(HyperNodeBuilder) -> HyperNodeBuilder + Send + Sync + 'static,
    ) -> Self {
        Self {
            configure: Arc::new(configure),
        }
    }
}

impl Default for HyperNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl Network for HyperNetwork {
    fn open(&self, identity: Identity, guard: Guard) -> BoxFuture<'_, Result<Presence, Error>> {
        async move {
            let builder = (self.configure)(HyperNode::builder(identity));
            let gate = move |peer, address, dials| {
                let guard = guard.clone();
                async move { guard.lets_in(peer, address, dials).await }.boxed()
            };
            let node = builder.gate(Arc::new(gate)).spawn().await?;
            let transport = HyperDht::new(node.clone());
            let (shutdown, closing) = Shutdown::new();
            let incoming = transport.listen("hyperdht", closing).await?;
            let (links, receiver) = mpsc::channel(LINKS);
            let mut tasks = JoinSet::new();
            tasks.spawn(accept(incoming, shutdown, links.clone()));
            let node = HyperPeer {
                rendezvous: HyperSwarm::new(node.clone(), transport),
                node,
                links,
                tasks: Mutex::new(tasks),
            };
            let links = stream::unfold(receiver, async |mut receiver| {
                Some((receiver.recv().await?, receiver))
            });
            Ok(Presence::new(node, links))
        }
        .boxed()
    }
}

struct HyperPeer {
    node: HyperNode,
    rendezvous: HyperSwarm<HyperDht>,
    links: mpsc::Sender<Link>,
    tasks: Mutex<JoinSet<()>>,
}

/// A topic whose peers are dialed. The task that does so ends when `leaving` is dropped, and drops the sender of `left` then.
struct Joined {
    leaving: oneshot::Sender<()>,
    left: oneshot::Receiver<()>,
}

impl Node for HyperPeer {
    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<Box<dyn Membership>, Error>> {
        async move {
            let topic = hyperswarm::Topic::from_bytes(*topic.as_bytes());
            let swarm = self.rendezvous.join(topic.section().to_string())?;
            let (leaving, leaves) = oneshot::channel();
            let (has_left, left) = oneshot::channel();
            let dial = dial(swarm, self.links.clone(), leaves);
            let mut tasks = lock(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                dial.await;
                drop::<oneshot::Sender<()>>(has_left);
            });
            Ok(Box::new(Joined { leaving, left }) as Box<dyn Membership>)
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.node.clone().close().await;
            let mut tasks = std::mem::take(&mut *lock(&self.tasks));
            tasks.shutdown().await;
        }
        .boxed()
    }
}

impl Membership for Joined {
    fn leave(self: Box<Self>) -> BoxFuture<'static, ()> {
        drop(self.leaving);
        self.left.map(drop).boxed()
    }
}

async fn accept(
    mut incoming: Incoming<HyperDht, HyperDhtListener, HyperIo>,
    _shutdown: Shutdown,
    links: mpsc::Sender<Link>,
) {
    // Failures are traced by the stack.
    while let Some(accepted) = incoming.next().await {
        let Ok(accepted) = accepted else { continue };
        let (io, info) = accepted.into_parts();
        if let Some(link) = link(io, &info, ())
            && links.send(link).await.is_err()
        {
            return;
        }
    }
}

/// Hands over who is reached on a topic, until it is left.
async fn dial(
    mut swarm: hyperswarm::Swarm<HyperIo>,
    links: mpsc::Sender<Link>,
    mut leaves: oneshot::Receiver<()>,
) {
    loop {
        let change = tokio::select! {
            _ = &mut leaves => break,
            change = swarm.next() => change,
        };
        if let Some(Change::Insert(_, connection)) = change {
            let (io, info) = connection.into_parts();
            let (io, place) = io.into_parts();
            if let Some(link) = link(io, &info, place)
                && links.send(link).await.is_err()
            {
                break;
            }
        }
    }
    if let Err(error) = swarm.leave().await {
        let error = &error as &dyn std::error::Error;
        tracing::debug!(error, "an announcement could not be taken back");
    }
}

fn link(io: HyperIo, info: &Info, place: impl Send + 'static) -> Option<Link> {
    // The transport states both.
    let (peer, handshake) = (info.remote_key()?, info.get::<Handshake>()?);
    let (sink, frames) = io.into_messages().split();
    let link = Link::over_frames(frames, sink, peer, handshake.hash)
        .address(info.get().map(|PeerAddr(address)| *address))
        .initiator(handshake.is_initiator)
        .authorized()
        .lease(place);
    Some(link)
}

impl fmt::Debug for HyperNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperNetwork").finish_non_exhaustive()
    }
}
