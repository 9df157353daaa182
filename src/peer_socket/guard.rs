//! Who is let in.

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::PeerInfo;
use crate::PublicKey;
use crate::lock::lock;

/// Who is let in: what [`authorize`](super::PeerSocketsBuilder::authorize) says, less those who are banned. Clones are the
/// same.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    authorize: Option<Hook>,
    banned: Mutex<HashSet<PublicKey>>,
}

pub(super) type Hook = Box<dyn Fn(PeerInfo) -> BoxFuture<'static, bool> + Send + Sync>;

/// How long the authorization of a peer may take.
const AUTHORIZE_TIMEOUT: Duration = Duration::from_secs(10);

impl Guard {
    pub(super) fn new(authorize: Option<Hook>) -> Self {
        Self(Arc::new(Inner {
            authorize,
            banned: Mutex::default(),
        }))
    }

    /// Whether a peer is let in that has proved its key, or that we are about to dial; where it is, if that is known, and
    /// whether we dial. A link to one who is let in is [`authorized`](super::Link::authorized).
    pub async fn lets_in(
        &self,
        peer: PublicKey,
        address: Option<SocketAddr>,
        initiator: bool,
    ) -> bool {
        let info = PeerInfo {
            id: peer,
            address,
            initiator,
        };
        !self.is_banned(&peer) && self.authorize(info).await
    }

    /// Who gets no answer in time is not let in.
    pub(super) async fn authorize(&self, peer: PeerInfo) -> bool {
        match &self.0.authorize {
            Some(authorize) => {
                let asked = timeout(AUTHORIZE_TIMEOUT, authorize(peer));
                asked.await.unwrap_or(false)
            }
            None => true,
        }
    }

    pub(super) fn is_banned(&self, peer: &PublicKey) -> bool {
        lock(&self.0.banned).contains(peer)
    }

    pub(super) fn ban(&self, peer: PublicKey) {
        lock(&self.0.banned).insert(peer);
    }

    /// False when it was not banned.
    pub(super) fn unban(&self, peer: &PublicKey) -> bool {
        lock(&self.0.banned).remove(peer)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
