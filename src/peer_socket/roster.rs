//! Who is in a swarm, and what happens in it.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, broadcast, watch};

use super::{
    CloseReason, PeerInfo, PeerSocket, ReadyState, SessionDataTooLong, SwarmId, Topic,
    links::Links,
    network::Membership,
    session_data,
    socket::{Parent, Socket},
};
use crate::PublicKey;
use crate::lock::lock;

/// How many events a subscriber may be behind. Each may hold on to a socket that has ended, and what waits in that.
const EVENTS: usize = 64;

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

/// A swarm as its sockets, its connections and those who look on share it. It does not keep itself joined.
pub(super) struct Roster {
    pub(super) id: SwarmId,
    pub(super) topic: Topic,
    /// Tells a swarm from one that was joined after this was left.
    pub(super) generation: u64,
    /// What keeps it joined, once it is.
    joined: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// The connections, which take session data to the peers.
    links: Arc<Links>,
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

impl Roster {
    pub(super) fn new(
        id: SwarmId,
        topic: Topic,
        generation: u64,
        key: PublicKey,
        max_message: usize,
        links: Arc<Links>,
        session: Option<(Value, Bytes)>,
    ) -> Arc<Self> {
        let (value, json) = session.unzip();
        Arc::new_cyclic(|this: &Weak<Self>| {
            let info = PeerInfo {
                id: key,
                address: None,
                initiator: false,
            };
            let work = Arc::new(Notify::new());
            let loopback = Socket::new(info, this.clone(), 0, value, work, max_message, true);
            Self {
                id,
                topic,
                generation,
                joined: OnceLock::new(),
                links,
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

    /// It is joined, for as long as `handle` is there.
    pub(super) fn open(
        &self,
        membership: Box<dyn Membership>,
        handle: Weak<dyn Any + Send + Sync>,
    ) {
        *lock(&self.membership) = Some(membership);
        // Nobody else joins it.
        let _ = self.joined.set(handle);
        self.ready.send_replace(ReadyState::Open);
    }

    /// How we are in it, no more once this is taken.
    pub(super) fn take_membership(&self) -> Option<Box<dyn Membership>> {
        lock(&self.membership).take()
    }

    pub(super) fn is_left(&self) -> bool {
        self.ready_state() >= ReadyState::Closing
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

    pub(super) fn tell(&self, event: SwarmEvent) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(super) fn set_session_data(&self, value: Value) -> Result<(), SessionDataTooLong> {
        let json = session_data::encode(&value)?;
        self.session.send_replace(Some(json));
        self.loopback.session.send_replace(Some(value));
        self.links.wake();
        Ok(())
    }

    pub(super) fn socket(&self, peer: &PublicKey) -> Option<Arc<Socket>> {
        lock(&self.sockets).get(peer).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Socket>> {
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

    pub(super) fn ready_state(&self) -> ReadyState {
        *self.ready.borrow()
    }

    /// Begins to leave it. False when that had begun before.
    pub(super) fn leave(&self) -> bool {
        self.ready.send_if_modified(|ready| {
            let leaves = *ready < ReadyState::Closing;
            if leaves {
                *ready = ReadyState::Closing;
            }
            leaves
        })
    }

    /// It is left, and its sockets with it.
    pub(super) fn end(&self) {
        for socket in self.all() {
            socket.finish(CloseReason::Local);
        }
        self.loopback.finish(CloseReason::Local);
        self.ready.send_replace(ReadyState::Closed);
    }
}

impl Parent for Roster {
    fn remove(&self, socket: &Arc<Socket>, reason: CloseReason) {
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

    fn joined(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.joined.get()?.upgrade()
    }
}
