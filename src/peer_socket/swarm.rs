//! All who are in a swarm.

use std::{fmt, sync::Arc};

use futures_util::StreamExt as _;
use serde_json::Value;

use super::{
    Discovered, Events, Incoming, Loopback, PeerSocket, ReadyState, SwarmId, SwarmKind, Topic,
    owner::HomeOwner, roster::Roster, session_data, socket::Parent,
};
use crate::lock::lock;
use crate::{Error, ErrorKind, PublicKey};

/// A swarm: those who joined it, each with a socket to each other.
///
/// Clones are of the same swarm, as are those that others get who join it with the same origin and debug identity. It is
/// left when the last is dropped: then what waits to be sent is lost; to end in good order, [`close`](Self::close) it.
///
/// See [`PeerSockets`](super::PeerSockets) for an example.
#[derive(Clone)]
pub struct Swarm(Arc<Joined>);

/// Keeps a swarm joined.
struct Joined {
    roster: Arc<Roster>,
    owner: Arc<HomeOwner>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        if self.owner.home.leave(&self.roster) {
            drop(self.roster.take_membership());
            self.roster.end();
        }
    }
}

/// Takes a swarm back that could not be joined, or was not waited for.
struct Abandon<'a>(&'a HomeOwner, &'a Roster);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.home.leave(self.1);
        self.1.end();
    }
}

impl Swarm {
    /// Joins a swarm, or finds that it is joined. `None` when this goes off the network.
    pub(super) async fn join(
        owner: &Arc<HomeOwner>,
        id: SwarmId,
        topic: Topic,
        session: Option<Value>,
    ) -> Result<Option<Self>, Error> {
        let home = &owner.home;
        let session = match session {
            Some(value) => {
                let json = session_data::encode(&value);
                let json = json.map_err(|error| Error::new(ErrorKind::Limit, error))?;
                Some((value, json))
            }
            None => None,
        };
        let _turn = home.joining.lock().await;
        if home.closing.is_cancelled() {
            return Ok(None);
        }
        let known = lock(&home.swarms).get(&topic).cloned();
        if let Some(swarm) = known.and_then(|known| Self::of(&*known)) {
            if let Some((value, _)) = session {
                // It was encoded above.
                let _ = swarm.loopback().set_session_data(value);
            }
            return Ok(Some(swarm));
        }
        let roster = home.insert(id, topic, session);
        let abandon = Abandon(owner, &roster);
        let membership = home.node.join(topic).await?;
        std::mem::forget(abandon);
        let joined = Arc::new(Joined {
            roster: roster.clone(),
            owner: owner.clone(),
        });
        roster.open(membership, Arc::downgrade(&joined) as _);
        home.links.wake();
        Ok(Some(Self(joined)))
    }

    /// What is joined, of which others know a part.
    fn of(parent: &dyn Parent) -> Option<Self> {
        let joined = parent.joined()?.downcast().ok()?;
        Some(Self(joined))
    }

    /// Its id, where it is an open one.
    pub fn id(&self) -> Option<&str> {
        match &self.roster().id {
            SwarmId::Open(id) => Some(id),
            SwarmId::Origin => None,
        }
    }

    /// Of what kind it is.
    pub fn kind(&self) -> SwarmKind {
        self.roster().id.kind()
    }

    /// Under what its peers find each other.
    pub fn topic(&self) -> Topic {
        self.roster().topic
    }

    /// How far it is.
    pub fn ready_state(&self) -> ReadyState {
        self.roster().ready_state()
    }

    /// The sockets to all peers who are there now, in the order in which they came. The loopback is not among them.
    pub fn sockets(&self) -> Vec<PeerSocket> {
        self.roster()
            .all()
            .into_iter()
            .map(PeerSocket::new)
            .collect()
    }

    /// The socket to a peer, if it is there.
    pub fn socket(&self, peer: &PublicKey) -> Option<PeerSocket> {
        self.roster().socket(peer).map(PeerSocket::new)
    }

    /// The socket to ourselves, which also says who we are to all others.
    pub fn loopback(&self) -> Loopback {
        Loopback::new(self.roster().clone())
    }

    /// A stream of the sockets: of those that are there, and of those that come. It ends with the swarm, and does not keep
    /// it joined.
    pub fn incoming(&self) -> Incoming {
        Incoming::new(self.roster().clone())
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
        Events::new(self.roster())
    }

    /// The peers as they come and go, for what takes a [`Discover`](tower::discover::Discover). It ends with the swarm, and
    /// does not keep it joined.
    pub fn discover(&self) -> Discovered {
        Discovered::new(self.roster())
    }

    /// Leaves it: nobody hears of us any more, every socket is [closed](PeerSocket::close), and this returns when that has
    /// happened. Closing it again waits for the same.
    pub async fn close(&self) {
        let roster = self.roster();
        let owner = &self.0.owner;
        if !owner.home.leave(roster) {
            return self.closed().await;
        }
        if let Some(membership) = roster.take_membership() {
            membership.leave().await;
        }
        let sockets = roster.all();
        let closing = sockets.iter().map(|socket| socket.close());
        futures_util::future::join_all(closing).await;
        owner.close_if_idle().await;
        roster.end();
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        let mut ready = self.roster().ready();
        // The sender is in what we hold.
        let _ = ready.wait_for(|ready| *ready == ReadyState::Closed).await;
    }

    fn roster(&self) -> &Arc<Roster> {
        &self.0.roster
    }
}

impl PeerSocket {
    /// Its swarm, unless that was left.
    pub fn swarm(&self) -> Option<Swarm> {
        Swarm::of(&*self.shared().swarm.upgrade()?)
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
            .field("id", &self.roster().id)
            .field("ready_state", &self.ready_state())
            .finish_non_exhaustive()
    }
}
