//! All who are in a swarm.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::{Notify, broadcast, watch};

use super::{
    CloseReason, Discovered, Events, Incoming, Loopback, PeerInfo, PeerSocket, ReadyState,
    SessionDataTooLong, SwarmId, SwarmKind, Topic, home::Home, network::Membership,
    owner::HomeOwner, session_data, socket::Socket,
};
use crate::PublicKey;
use crate::lock::lock;

/// How many events a subscriber may be behind. Each may hold on to a socket that has ended, and what waits in that.
const EVENTS: usize = 64;

/// A swarm: those who joined it, each with a socket to each other.
///
/// Clones are of the same swarm, as are those that others get who join it with the same origin and debug identity. It is
/// left when the last is dropped: then what waits to be sent is lost; to end in good order, [`close`](Self::close) it.
///
/// See [`PeerSockets`](super::PeerSockets) for an example.
#[derive(Clone)]
pub struct Swarm(pub(super) Arc<SwarmHandle>);

/// What keeps a swarm joined.
pub(super) struct SwarmHandle {
    pub(super) shared: Arc<SwarmShared>,
    owner: Arc<HomeOwner>,
}

/// What happens in a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwarmEvent {
    /// There is a socket to a peer.
    Connected(PeerSocket),
    /// There is none any more.
    Disconnected {
        /// It has ended.
        socket: PeerSocket,
        /// Why.
        reason: CloseReason,
    },
    /// A peer says something else of itself: see [`PeerSocket::session_data`].
    SessionData(PeerSocket),
    /// So many events are lost, since nobody took them in time.
    Missed(u64),
}

pub(super) struct SwarmShared {
    pub(super) id: SwarmId,
    pub(super) topic: Topic,
    /// Tells a swarm from one that was joined after this was left.
    pub(super) generation: u64,
    home: Weak<Home>,
    handle: OnceLock<Weak<SwarmHandle>>,
    sockets: Mutex<HashMap<PublicKey, Arc<Socket>>>,
    serial: AtomicU64,
    events: broadcast::Sender<SwarmEvent>,
    ready: watch::Sender<ReadyState>,
    /// What we say of ourselves.
    pub(super) session: watch::Sender<Option<Bytes>>,
    pub(super) loopback: Arc<Socket>,
    membership: Mutex<Option<Box<dyn Membership>>>,
    max_message: usize,
}

impl SwarmShared {
    pub(super) fn new(
        id: SwarmId,
        topic: Topic,
        generation: u64,
        home: &Arc<Home>,
        session: Option<(Value, Bytes)>,
    ) -> Arc<Self> {
        let (value, json) = session.unzip();
        let max_message = home.options.max_message;
        Arc::new_cyclic(|this| {
            let info = PeerInfo {
                id: home.key,
                address: None,
                initiator: false,
            };
            let work = Arc::new(Notify::new());
            let loopback = Socket::new(info, this.clone(), 0, value, work, max_message, true);
            Self {
                id,
                topic,
                generation,
                home: Arc::downgrade(home),
                handle: OnceLock::new(),
                sockets: Mutex::default(),
                serial: AtomicU64::new(1),
                events: broadcast::Sender::new(EVENTS),
                ready: watch::Sender::new(ReadyState::Connecting),
                session: watch::Sender::new(json),
                loopback: Arc::new(loopback),
                membership: Mutex::default(),
                max_message,
            }
        })
    }

    pub(super) fn joined(
        self: Arc<Self>,
        membership: Box<dyn Membership>,
        owner: Arc<HomeOwner>,
    ) -> Swarm {
        *lock(&self.membership) = Some(membership);
        self.ready.send_replace(ReadyState::Open);
        let handle = Arc::new(SwarmHandle {
            shared: self,
            owner,
        });
        // Nobody else joins it.
        let _ = handle.shared.handle.set(Arc::downgrade(&handle));
        Swarm(handle)
    }

    pub(super) fn handle(&self) -> Option<Swarm> {
        Some(Swarm(self.handle.get()?.upgrade()?))
    }

    pub(super) fn is_left(&self) -> bool {
        *self.ready.borrow() >= ReadyState::Closing
    }

    /// There is a socket to a peer. If there was one already, that was of a connection which is no more.
    pub(super) fn add(
        self: &Arc<Self>,
        info: PeerInfo,
        session: Option<Value>,
        work: Arc<Notify>,
    ) -> Arc<Socket> {
        let former = self.socket(&info.id);
        if let Some(former) = former {
            former.finish(CloseReason::Reset);
        }
        let mut sockets = lock(&self.sockets);
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let this = Arc::downgrade(self);
        let socket = Socket::new(info, this, serial, session, work, self.max_message, false);
        let socket = Arc::new(socket);
        sockets.insert(info.id, socket.clone());
        // Under the lock, so that a subscriber sees it either in the list or as an event.
        self.tell(SwarmEvent::Connected(PeerSocket::new(socket.clone())));
        socket
    }

    pub(super) fn remove(&self, socket: &Arc<Socket>, reason: CloseReason) {
        let mut sockets = lock(&self.sockets);
        let id = socket.info.id;
        if sockets
            .get(&id)
            .is_some_and(|other| Arc::ptr_eq(other, socket))
        {
            sockets.remove(&id);
            self.tell(SwarmEvent::Disconnected {
                socket: PeerSocket::new(socket.clone()),
                reason,
            });
        }
    }

    pub(super) fn tell(&self, event: SwarmEvent) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(super) fn set_session_data(&self, value: Value) -> Result<(), SessionDataTooLong> {
        let json = session_data::encode(&value)?;
        self.session.send_replace(Some(json));
        self.loopback.session.send_replace(Some(value));
        if let Some(home) = self.home.upgrade() {
            home.links.wake();
        }
        Ok(())
    }

    fn socket(&self, peer: &PublicKey) -> Option<Arc<Socket>> {
        lock(&self.sockets).get(peer).cloned()
    }

    fn all(&self) -> Vec<Arc<Socket>> {
        let mut all: Vec<_> = lock(&self.sockets).values().cloned().collect();
        all.sort_by_key(|socket| socket.serial);
        all
    }

    /// Those who are there, and all who come from now on.
    pub(super) fn subscribe(&self) -> (Vec<Arc<Socket>>, broadcast::Receiver<SwarmEvent>) {
        let sockets = lock(&self.sockets);
        let events = self.events.subscribe();
        let mut all: Vec<_> = sockets.values().cloned().collect();
        drop(sockets);
        all.sort_by_key(|socket| socket.serial);
        (all, events)
    }

    pub(super) fn ready(&self) -> watch::Receiver<ReadyState> {
        self.ready.subscribe()
    }

    /// Is no longer known to the connections. False when it was not before.
    fn leave(&self) -> bool {
        let left = self.ready.send_if_modified(|ready| {
            let leaves = *ready < ReadyState::Closing;
            if leaves {
                *ready = ReadyState::Closing;
            }
            leaves
        });
        if left && let Some(home) = self.home.upgrade() {
            home.forget(self);
        }
        left
    }

    /// It could not be joined.
    pub(super) fn abandon(&self) {
        self.leave();
        self.end();
    }

    fn end(&self) {
        for socket in self.all() {
            socket.finish(CloseReason::Local);
        }
        self.loopback.finish(CloseReason::Local);
        self.ready.send_replace(ReadyState::Closed);
    }
}

impl Drop for SwarmHandle {
    fn drop(&mut self) {
        if self.shared.leave() {
            lock(&self.shared.membership).take();
            self.shared.end();
        }
    }
}

impl Swarm {
    /// Its id, where it is an open one.
    pub fn id(&self) -> Option<&str> {
        match &self.shared().id {
            SwarmId::Open(id) => Some(id),
            SwarmId::Origin => None,
        }
    }

    /// Of what kind it is.
    pub fn kind(&self) -> SwarmKind {
        self.shared().id.kind()
    }

    /// Under what its peers find each other.
    pub fn topic(&self) -> Topic {
        self.shared().topic
    }

    /// How far it is.
    pub fn ready_state(&self) -> ReadyState {
        *self.shared().ready.borrow()
    }

    /// The sockets to all peers who are there now, in the order in which they came. The loopback is not among them.
    pub fn sockets(&self) -> Vec<PeerSocket> {
        self.shared()
            .all()
            .into_iter()
            .map(PeerSocket::new)
            .collect()
    }

    /// The socket to a peer, if it is there.
    pub fn socket(&self, peer: &PublicKey) -> Option<PeerSocket> {
        self.shared().socket(peer).map(PeerSocket::new)
    }

    /// The socket to ourselves, which also says who we are to all others.
    pub fn loopback(&self) -> Loopback {
        Loopback::new(self.shared().clone())
    }

    /// A stream of the sockets: of those that are there, and of those that come. It ends with the swarm, and does not keep
    /// it joined.
    pub fn incoming(&self) -> Incoming {
        Incoming::new(self.shared().clone())
    }

    /// The next socket that is there or comes; waits for ever if none does. For a swarm of two: it asks for the first of
    /// [`incoming`](Self::incoming).
    pub async fn next_socket(&self) -> PeerSocket {
        match self.incoming().next().await {
            Some(socket) => socket,
            None => std::future::pending().await,
        }
    }

    /// A stream of what happens from now on. It ends with the swarm, and does not keep it joined.
    pub fn events(&self) -> Events {
        Events::new(self.shared())
    }

    /// The peers as they come and go, for what takes a [`Discover`](tower::discover::Discover). It ends with the swarm, and
    /// does not keep it joined.
    pub fn discover(&self) -> Discovered {
        Discovered::new(self.shared())
    }

    /// Leaves it: nobody hears of us any more, every socket is [closed](PeerSocket::close), and this returns when that has
    /// happened. Closing it again waits for the same.
    pub async fn close(&self) {
        let shared = self.shared();
        if !shared.leave() {
            return self.closed().await;
        }
        let membership = lock(&shared.membership).take();
        if let Some(membership) = membership {
            membership.leave().await;
        }
        let sockets = shared.all();
        let closing = sockets.iter().map(|socket| socket.close());
        futures_util::future::join_all(closing).await;
        self.0.owner.close_if_idle().await;
        shared.end();
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        let mut ready = self.shared().ready();
        // The sender is in what we hold.
        let _ = ready.wait_for(|ready| *ready == ReadyState::Closed).await;
    }

    fn shared(&self) -> &Arc<SwarmShared> {
        &self.0.shared
    }
}

impl PartialEq for Swarm {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Swarm {}

impl fmt::Debug for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swarm")
            .field("id", &self.shared().id)
            .field("ready_state", &self.ready_state())
            .finish_non_exhaustive()
    }
}
