//! Ourselves in a swarm.

use std::{fmt, sync::Arc};

use serde_json::Value;
use tokio::sync::watch;

use super::{PeerSocket, SessionDataTooLong, roster::Roster};
use crate::PublicKey;

/// Ourselves in a swarm. It alone can say what we are to others: of a peer it can only be read.
///
/// ```
/// use serde_json::json;
/// use tower_multiserver::peer_socket::{MemoryHub, PeerSockets, SwarmId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let peers = PeerSockets::builder(MemoryHub::new()).build()?;
/// let swarm = peers.join(SwarmId::open("room")).await?;
/// swarm.loopback().set_session_data(json!({ "name": "bob" }))?;
/// assert_eq!(*swarm.loopback().session_data().borrow(), Some(json!({ "name": "bob" })));
///
/// let socket = swarm.loopback().socket();
/// socket.send(json!("note to self")).await?;
/// assert_eq!(socket.recv().await, Some(Ok(json!("note to self").into())));
/// # Ok(())
/// # }
/// ```
///
/// A socket to a peer has no such method:
///
/// ```compile_fail,E0599
/// # use tower_multiserver::peer_socket::PeerSocket;
/// fn rename(peer: PeerSocket) {
///     let _ = peer.set_session_data("mallory".into());
/// }
/// ```
#[derive(Clone)]
pub struct Loopback(Arc<Roster>);

impl Loopback {
    pub(super) fn new(swarm: Arc<Roster>) -> Self {
        Self(swarm)
    }

    /// The key by which others know us.
    pub fn id(&self) -> PublicKey {
        self.0.loopback.info.id
    }

    /// Always.
    pub fn is_loopback(&self) -> bool {
        true
    }

    /// Says to all peers, now and when they come, what we are. The latest counts.
    ///
    /// # Errors
    ///
    /// It has more than [`MAX_SESSION_DATA`](super::MAX_SESSION_DATA) bytes as JSON. What was said before stays.
    pub fn set_session_data(&self, data: impl Into<Value>) -> Result<(), SessionDataTooLong> {
        self.0.set_session_data(data.into())
    }

    /// What we say of ourselves.
    pub fn session_data(&self) -> watch::Receiver<Option<Value>> {
        self.0.loopback.session.subscribe()
    }

    /// A socket to ourselves, which gives back what is sent.
    pub fn socket(&self) -> PeerSocket {
        PeerSocket::new(self.0.loopback.clone())
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loopback").field(&self.id()).finish()
    }
}
