//! Who the other process is.

use std::io;

use tokio::net::UnixStream;
use tower_multiserver_core::Scope;

/// A fact: who the process at the other end of a unix socket was when it connected, or began to listen (unix(7),
/// `SO_PEERCRED`). The kernel vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its process id, where the system tells. The process may have ended since, and the id be another's.
    pub pid: Option<i32>,
}

const ROOT: u32 = 0;

impl PeerCredentials {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let peer = stream.peer_cred()?;
        Ok(Self {
            uid: peer.uid(),
            gid: peer.gid(),
            pid: peer.pid(),
        })
    }

    /// This machine when it is our own user, or root, who could be anyway.
    pub(super) fn scope(self) -> io::Result<Scope> {
        Ok(match self.uid == ROOT || self.uid == own_uid()? {
            true => Scope::Device,
            false => Scope::Public,
        })
    }
}

/// Our effective user. It is asked each time, since a server may give up root once it listens.
pub(super) fn own_uid() -> io::Result<u32> {
    let (ours, _also_ours) = UnixStream::pair()?;
    Ok(ours.peer_cred()?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_user_and_root_are_this_machine_and_others_are_strangers() {
        let ours = own_uid().unwrap();
        for (uid, scope) in [
            (ours, Scope::Device),
            (ROOT, Scope::Device),
            (ours + 1, Scope::Public),
            (u32::MAX, Scope::Public),
        ] {
            let (gid, pid) = (ours, Some(1));
            let peer = PeerCredentials { uid, gid, pid };
            assert_eq!(peer.scope().unwrap(), scope, "{uid}");
        }
    }
}
