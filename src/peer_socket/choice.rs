//! One connection for each pair of keys: both ends keep the same one.
//!
//! Both send [`GREETING`] and 32 random bytes. The hash of the connection, BLAKE2b-512, is over a label, the keys of who
//! dialed and of who accepted, and the random bytes in the same order: both know it, nobody else does, and it is of this
//! connection alone.
//!
//! Then the end with the smaller key says whether it has another connection with this peer already (one byte, 1 or 0), and
//! the other end decides (one byte, 1 or 0). It says no only where both have another: so one that was lost at either end is
//! replaced, and of two that are made at the same time one is kept. Nothing else is said before that, so nothing is lost
//! with the other.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use blake2::{Blake2b512, Digest as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    sync::Notify,
};

use crate::lock::lock;
use crate::{Io, PublicKey};

const GREETING: &[u8; 13] = b"peersocket/1\n";

/// Which connections one of ours has, on one network.
#[derive(Default)]
pub(super) struct Chosen {
    peers: Mutex<HashMap<PublicKey, Peer>>,
    /// One has ended.
    pub(super) ended: Notify,
}

#[derive(Default)]
struct Peer {
    /// The connection that was chosen, by a number of ours.
    chosen: Option<u64>,
    /// One after the other asks the peer, so that it hears of all that were chosen before.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many connections hold or may get a place.
    users: usize,
    serial: u64,
}

/// The place of a connection that was chosen, until it is dropped.
pub(super) struct Place {
    user: User,
    serial: u64,
}

/// That a peer is remembered.
struct User {
    all: Arc<Chosen>,
    peer: PublicKey,
}

/// What was decided.
pub(super) enum Choice {
    /// This connection: its place, and its hash.
    This(Place, [u8; 64]),
    /// There is another, which stays.
    Other,
}

impl Chosen {
    /// Whether there is a connection to a peer.
    pub(super) fn has(&self, peer: &PublicKey) -> bool {
        let peers = lock(&self.peers);
        peers.get(peer).is_some_and(|peer| peer.chosen.is_some())
    }

    /// Agrees with a peer on whether this connection is kept.
    pub(super) async fn choose(
        self: &Arc<Self>,
        io: &mut impl Io,
        own: PublicKey,
        peer: PublicKey,
        is_dialer: bool,
    ) -> io::Result<Choice> {
        let user = User::new(self, peer);
        let hash = greet(io, own, peer, is_dialer).await?;
        if own > peer {
            let has_other = match io.read_u8().await? {
                0 => false,
                1 => true,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
            let place = user.take_unless(has_other);
            io.write_u8(place.is_some().into()).await?;
            io.flush().await?;
            return Ok(place.map_or(Choice::Other, |place| Choice::This(place, hash)));
        }
        let turn = user.turn();
        let _turn = turn.lock().await;
        io.write_u8(self.has(&peer).into()).await?;
        io.flush().await?;
        match io.read_u8().await? {
            0 => Ok(Choice::Other),
            1 => {
                let place = user.take_unless(false);
                Ok(place.map_or(Choice::Other, |place| Choice::This(place, hash)))
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl User {
    fn new(all: &Arc<Chosen>, peer: PublicKey) -> Self {
        let mut peers = lock(&all.peers);
        let users = &mut peers.entry(peer).or_default().users;
        *users = users.saturating_add(1);
        drop(peers);
        Self {
            all: all.clone(),
            peer,
        }
    }

    fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        let mut peers = lock(&self.all.peers);
        peers.entry(self.peer).or_default().turn.clone()
    }

    /// Takes the place, unless there is a connection that the peer has too.
    fn take_unless(self, peer_has_other: bool) -> Option<Place> {
        let mut peers = lock(&self.all.peers);
        let peer = peers.entry(self.peer).or_default();
        if peer.chosen.is_some() && peer_has_other {
            drop(peers);
            return None;
        }
        peer.serial = peer.serial.wrapping_add(1);
        let serial = peer.serial;
        peer.chosen = Some(serial);
        drop(peers);
        Some(Place { user: self, serial })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut peers = lock(&self.all.peers);
        if let Some(peer) = peers.get_mut(&self.peer) {
            peer.users = peer.users.saturating_sub(1);
            if peer.users == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let all = &self.user.all;
        if let Some(peer) = lock(&all.peers).get_mut(&self.user.peer)
            && peer.chosen == Some(self.serial)
        {
            peer.chosen = None;
        }
        all.ended.notify_waiters();
    }
}

/// Exchanges random bytes: the hash of the connection.
async fn greet(
    io: &mut impl Io,
    own: PublicKey,
    peer: PublicKey,
    is_dialer: bool,
) -> io::Result<[u8; 64]> {
    let mut ours = [0; 32];
    getrandom::fill(&mut ours)?;
    let (mut from, mut to) = split(io);
    let write = async {
        to.write_all(&[&GREETING[..], &ours].concat()).await?;
        to.flush().await
    };
    let mut greeting = [0; GREETING.len()];
    let mut theirs = [0; 32];
    let read = async {
        from.read_exact(&mut greeting).await?;
        if greeting != *GREETING {
            return Err(io::ErrorKind::InvalidData.into());
        }
        from.read_exact(&mut theirs).await
    };
    tokio::try_join!(write, read)?;
    let mut parts = [(own, ours), (peer, theirs)];
    if !is_dialer {
        parts.reverse();
    }
    let mut hash = Blake2b512::new();
    hash.update("peersocket-connection");
    for (key, _) in &parts {
        hash.update(key.as_bytes());
    }
    for (_, random) in &parts {
        hash.update(random);
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    pub(super) const SMALL: PublicKey = PublicKey::from_bytes([1; 32]);
    pub(super) const LARGE: PublicKey = PublicKey::from_bytes([2; 32]);

    async fn choose(
        small: &Arc<Chosen>,
        large: &Arc<Chosen>,
        small_dials: bool,
    ) -> (Choice, Choice) {
        // The smallest buffer: nothing waits for more than the peer says.
        let (mut a, mut b) = duplex(1);
        let (a, b) = tokio::join!(
            small.choose(&mut a, SMALL, LARGE, small_dials),
            large.choose(&mut b, LARGE, SMALL, !small_dials)
        );
        (a.unwrap(), b.unwrap())
    }

    #[tokio::test]
    async fn both_know_the_same_hash_which_is_of_this_connection_alone() {
        let mut hashes = Vec::new();
        for small_dials in [true, false] {
            let all = Arc::default();
            let chosen = choose(&all, &Arc::default(), small_dials).await;
            let (Choice::This(_, a), Choice::This(_, b)) = chosen else {
                panic!("there is no other");
            };
            assert_eq!(a, b);
            hashes.push(a);
        }
        assert_ne!(hashes[0], hashes[1]);
    }

    #[tokio::test]
    async fn a_second_connection_is_not_kept_while_both_have_the_first() {
        let (small, large) = (Arc::default(), Arc::default());
        let first = choose(&small, &large, true).await;
        let second = choose(&small, &large, false).await;
        assert!(matches!(second, (Choice::Other, Choice::Other)));
        drop(first);
        assert!(lock(&small.peers).is_empty() && lock(&large.peers).is_empty());
    }

    #[tokio::test]
    async fn one_that_either_end_has_lost_is_replaced() {
        for small_lost_it in [true, false] {
            let (small, large) = (Arc::default(), Arc::default());
            let (of_small, of_large) = choose(&small, &large, true).await;
            let stale = match small_lost_it {
                true => (drop(of_small), of_large).1,
                false => (drop(of_large), of_small).1,
            };
            let second = choose(&small, &large, true).await;
            assert!(matches!(second, (Choice::This(..), Choice::This(..))));
            // The end of the first does not free the place of the second.
            drop(stale);
            assert!(small.has(&LARGE) && large.has(&SMALL));
        }
    }

    #[tokio::test]
    async fn of_two_at_once_one_is_kept_by_both() {
        for _ in 0..100 {
            let (small, large) = (Arc::default(), Arc::default());
            let (one, two) =
                tokio::join!(choose(&small, &large, true), choose(&small, &large, false));
            let kept = |choice: &Choice| matches!(choice, Choice::This(..));
            assert_eq!((kept(&one.0), kept(&two.0)), (kept(&one.1), kept(&two.1)));
            assert!(kept(&one.0) != kept(&two.0));
        }
    }

    #[tokio::test]
    async fn who_speaks_another_protocol_is_refused() {
        let (mut a, mut b) = duplex(100);
        b.write_all(&[b'x'; 45]).await.unwrap();
        let chosen = Arc::<Chosen>::default();
        let error = chosen.choose(&mut a, SMALL, LARGE, true).await;
        assert_eq!(
            error.map(|_| ()).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert!(lock(&chosen.peers).is_empty());
    }
}
