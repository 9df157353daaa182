//! Announcements kept over a restart.

mod file;

use futures_util::future::BoxFuture;
use tower_multiserver_core::{BoxError, PeerId};

pub use self::file::FileStore;
use super::Announcement;

/// Keeps announcements over a restart, so that peers are found again without a bootstrapper.
///
/// Nothing is lost for good without it, and what it gives is verified; it may be a database, or a [`FileStore`].
pub trait Store: Send + Sync + 'static {
    /// What is kept of `peers`; nothing, for those of whom nothing is.
    fn read<'a>(&'a self, peers: &'a [PeerId]) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>>;

    /// Keeps `entries` in place of what was kept of the same peers. What is kept of others stays.
    fn write<'a>(&'a self, entries: &'a [Entry]) -> BoxFuture<'a, Result<(), BoxError>>;
}

/// What is kept of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The peer, the key of the entry. Where that must be text it is its `Display`.
    pub peer: PeerId,
    /// Its announcement in protocol buffers, as libocr keeps it. 661 bytes at most.
    pub announcement: Vec<u8>,
}

impl Entry {
    pub(super) fn of(announcement: &Announcement) -> Self {
        Self {
            peer: announcement.announcer(),
            announcement: announcement.to_bytes(),
        }
    }
}
