//! What peers call themselves.

use tower_multiserver::{
    PublicKey,
    peer_socket::{PeerSocket, Swarm},
};

use crate::report::written;

/// How much of a key tells two of the same name apart, in characters of its id.
const SHORT: usize = 9;

/// Who is there under which name.
#[derive(Clone)]
pub(super) struct Names {
    swarm: Swarm,
    own: Option<String>,
}

impl Names {
    pub(super) fn new(swarm: &Swarm, own: Option<&str>) -> Self {
        Self {
            swarm: swarm.clone(),
            own: own.map(written),
        }
    }

    /// What a peer is called on a terminal: its name, and a part of its key where another has the same. Without a name the
    /// key stands for it.
    pub(super) fn of(&self, socket: &PeerSocket) -> String {
        let Some(name) = shown(socket) else {
            return short(socket.id());
        };
        let is_ours = self.own.as_ref() == Some(&name);
        let mut others = self.swarm.sockets().into_iter();
        let is_taken =
            others.any(|other| other.id() != socket.id() && shown(&other).as_ref() == Some(&name));
        match is_ours || is_taken {
            true => format!("{name} ({})", short(socket.id())),
            false => name,
        }
    }
}

/// The name that a peer says, whatever that is.
pub(super) fn said(socket: &PeerSocket) -> Option<String> {
    let data = socket.session_data();
    let data = data.borrow();
    let name = data.as_ref()?.get("name")?.as_str()?;
    Some(name.to_owned())
}

/// As it can be shown, if anything of it is to be seen.
fn shown(socket: &PeerSocket) -> Option<String> {
    let name = written(said(socket)?.trim());
    (!name.is_empty()).then_some(name)
}

fn short(key: PublicKey) -> String {
    let mut id: String = key.to_ssb_id().chars().take(SHORT).collect();
    id.push('…');
    id
}
