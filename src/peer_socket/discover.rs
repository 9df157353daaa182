//! The peers of a swarm, for tower's load balancers and pools.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use futures_core::{Stream, stream::BoxStream};
use futures_util::{StreamExt as _, stream};
use tokio::sync::{broadcast, watch};
use tower::discover::Change;

use super::{PeerSocket, ReadyState, SwarmEvent, incoming::event, roster::Roster, socket::Socket};
use crate::PublicKey;

/// The peers of a swarm as they come and go: a [`Discover`](tower::discover::Discover).
///
/// Each socket is inserted under the key of its peer, first those that were there when it was asked for, and removed when it
/// ends. Where a peer comes back in the meantime, that is told before it is inserted anew. A service is made of a socket with
/// [`map_ok`](futures_util::TryStreamExt::map_ok).
///
/// ```
/// use futures_util::StreamExt;
/// use tower::discover::{Change, Discover};
/// use tower_multiserver::{
///     PublicKey,
///     peer_socket::{MemoryHub, PeerSocket, PeerSockets, SwarmId},
/// };
///
/// /// What a balancer of tower takes.
/// async fn next(
///     peers: &mut (impl Discover<Key = PublicKey, Service = PeerSocket, Error: std::fmt::Debug> + Unpin),
/// ) -> Change<PublicKey, PeerSocket> {
///     let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *peers).poll_discover(cx));
///     next.await.expect("the swarm is joined").expect("it does not fail")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = MemoryHub::new();
/// let alice = PeerSockets::builder(hub.clone()).build()?.join(SwarmId::open("room")).await?;
/// let mut peers = alice.discover();
///
/// let bob = PeerSockets::builder(hub).build()?.join(SwarmId::open("room")).await?;
/// let key = bob.loopback().id();
/// assert!(matches!(next(&mut peers).await, Change::Insert(of, to_bob) if of == key && to_bob.id() == key));
/// bob.close().await;
/// assert!(matches!(next(&mut peers).await, Change::Remove(of) if of == key));
/// # Ok(())
/// # }
/// ```
pub struct Discovered(BoxStream<'static, Change<PublicKey, PeerSocket>>);

struct Subscriber {
    swarm: Weak<Roster>,
    events: broadcast::Receiver<SwarmEvent>,
    ready: watch::Receiver<ReadyState>,
    /// Those that were told of, by their serial numbers.
    known: HashMap<PublicKey, u64>,
    /// What is to be told. As much as there are peers, twice.
    changes: VecDeque<Change<PublicKey, PeerSocket>>,
}

impl Discovered {
    pub(super) fn new(swarm: &Arc<Roster>) -> Self {
        let (there, events) = swarm.subscribe();
        let mut subscriber = Subscriber {
            swarm: Arc::downgrade(swarm),
            events,
            ready: swarm.ready(),
            known: HashMap::new(),
            changes: VecDeque::new(),
        };
        subscriber.update(there);
        let changes = stream::unfold(subscriber, async |mut subscriber| {
            let change = subscriber.next().await?;
            Some((change, subscriber))
        });
        Self(changes.fuse().boxed())
    }
}

impl Subscriber {
    async fn next(&mut self) -> Option<Change<PublicKey, PeerSocket>> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Some(change);
            }
            match event(&mut self.events, &mut self.ready).await? {
                SwarmEvent::Connected(socket) => self.insert(socket),
                SwarmEvent::Disconnected { socket, .. } => {
                    self.remove(socket.id(), socket.shared().serial);
                }
                SwarmEvent::Missed(_) => {
                    let mut there = Vec::new();
                    if let Some(swarm) = self.swarm.upgrade() {
                        (there, self.events) = swarm.subscribe();
                    }
                    self.update(there);
                }
                SwarmEvent::SessionData(_) => {}
            }
        }
    }

    /// These are there, and nobody else.
    fn update(&mut self, there: Vec<Arc<Socket>>) {
        let serials: Vec<_> = there.iter().map(|socket| socket.serial).collect();
        let known = self.known.iter().map(|(key, serial)| (*key, *serial));
        let gone: Vec<_> = known
            .filter(|(_, serial)| !serials.contains(serial))
            .collect();
        for (key, serial) in gone {
            self.remove(key, serial);
        }
        for socket in there {
            self.insert(PeerSocket::new(socket));
        }
    }

    fn insert(&mut self, socket: PeerSocket) {
        let (key, serial) = (socket.id(), socket.shared().serial);
        if self.known.insert(key, serial) != Some(serial) {
            self.changes.push_back(Change::Insert(key, socket));
        }
    }

    fn remove(&mut self, key: PublicKey, serial: u64) {
        if self.known.get(&key) == Some(&serial) {
            self.known.remove(&key);
            self.changes.push_back(Change::Remove(key));
        }
    }
}

impl Stream for Discovered {
    type Item = Result<Change<PublicKey, PeerSocket>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let change = ready!(self.0.poll_next_unpin(cx));
        Poll::Ready(change.map(Ok))
    }
}

impl fmt::Debug for Discovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered").finish_non_exhaustive()
    }
}
