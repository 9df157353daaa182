//! The file of announcements.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use tower_multiserver_core::{BoxError, PeerId};

use super::{Entry, Store};

/// Announcements in one file of text, a peer a line: its id, and its announcement in base64. Empty lines and those that
/// begin with `#` do not count.
///
/// The file is written anew under another name (`.tmp` after its own) and then renamed, so there is always a whole one.
/// It must not be used by two programs. Above 4096 peers, those of whom nothing new is known are dropped.
///
/// A file that cannot be read as such is left as it is: reading and writing fail with an [`io::Error`] of kind
/// [`InvalidData`](io::ErrorKind::InvalidData) that names the file and the line. Without the line, or the file, it goes
/// on; what is lost so is learned again from the peers.
///
/// To drop the future does not stop a write that has begun.
///
/// ```
/// # tokio_test::block_on(async {
/// use tower_multiserver::{
///     Identity,
///     ragep2p::ragedisco::{Endpoint, FileStore, Registry, Store as _},
/// };
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("peers");
/// let identity = Identity::generate()?;
/// let at: Endpoint = "203.0.113.9:6690".parse()?;
/// let registry = Registry::new(identity.clone(), at.into());
///
/// let store = FileStore::new(path);
/// store.write(&registry.snapshot()).await?;
/// let kept = store.read(&[identity.public_key().into()]).await?;
/// assert_eq!(kept, registry.snapshot());
/// # Ok::<(), tower_multiserver::BoxError>(())
/// # }).expect("the example works");
/// ```
#[derive(Clone, Debug)]
pub struct FileStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Held by whoever reads or writes.
    turn: Mutex<()>,
}

type Kept = BTreeMap<PeerId, Vec<u8>>;

/// More than the groups of a lifetime have, and less than [`MAX_LEN`].
const MAX_PEERS: usize = 4096;

/// Room for [`MAX_PEERS`] lines of 1000 bytes, the longest announcement being one of 938.
const MAX_LEN: u64 = 4 * 1024 * 1024;

const HEADER: &str =
    "# What peers of ragedisco announced: peer id, announcement in base64. It may be deleted.\n";

impl FileStore {
    /// Announcements in the file at `path`. It need not be there yet; its directory must be.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let turn = Mutex::new(());
        Self(Arc::new(Inner { path, turn }))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BoxError> {
        let inner = self.0.clone();
        let act = move || {
            // Nothing is in disorder after a panic: the file is whole.
            let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
            act(&inner.path).map_err(|error| describe(&inner.path, &error))
        };
        Ok(tokio::task::spawn_blocking(act).await??)
    }
}

impl Store for FileStore {
    fn read<'a>(&'a self, peers: &'a [PeerId]) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>> {
        Box::pin(async move {
            let kept = self.blocking(read).await?;
            let wanted: HashSet<_> = peers.iter().collect();
            let found = kept.into_iter().filter(|(peer, _)| wanted.contains(peer));
            let entry = |(peer, announcement)| Entry { peer, announcement };
            Ok(found.map(entry).collect())
        })
    }

    fn write<'a>(&'a self, entries: &'a [Entry]) -> BoxFuture<'a, Result<(), BoxError>> {
        let entries = entries.to_vec();
        Box::pin(self.blocking(move |path| {
            let mut kept = read(path)?;
            let new: HashSet<_> = entries.iter().map(|entry| entry.peer).collect();
            kept.extend(entries.into_iter().map(|e| (e.peer, e.announcement)));
            let mut room = MAX_PEERS.saturating_sub(new.len());
            kept.retain(|peer, _| {
                if new.contains(peer) {
                    return true;
                }
                let left = room.checked_sub(1);
                room = left.unwrap_or_default();
                left.is_some()
            });
            replace(path, &text(&kept))
        }))
    }
}

/// Says with which file it failed.
fn describe(path: &Path, error: &io::Error) -> io::Error {
    let reason = format!("the announcements in `{}`: {error}", path.display());
    io::Error::new(error.kind(), reason)
}

fn read(path: &Path) -> io::Result<Kept> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::new()),
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(MAX_LEN + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_LEN {
        let reason = format!("more than {MAX_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    let lines = text.split(|byte| *byte == b'\n').zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim_ascii().is_empty() && !line.starts_with(b"#"));
    let entries = lines.map(|(line, number)| {
        let damaged = |reason| {
            let reason = format!("line {number}: {reason}");
            io::Error::new(io::ErrorKind::InvalidData, reason)
        };
        entry(line.trim_ascii()).map_err(damaged)
    });
    entries.collect()
}

fn entry(line: &[u8]) -> Result<(PeerId, Vec<u8>), &'static str> {
    let line = str::from_utf8(line).map_err(|_| "no text")?;
    let (peer, announcement) = line
        .split_once(' ')
        .ok_or("not a peer id, a space and base64")?;
    let peer = peer.parse().map_err(|_| "the peer id is none")?;
    let announcement = BASE64.decode(announcement.as_bytes());
    Ok((peer, announcement.map_err(|_| "the base64 is none")?))
}

fn text(kept: &Kept) -> String {
    let mut text = HEADER.to_owned();
    for (peer, announcement) in kept {
        let announcement = BASE64.encode(announcement);
        text.push_str(&format!("{peer} {announcement}\n"));
    }
    text
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    if text.len() as u64 > MAX_LEN {
        let reason = format!("they would take more than {MAX_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    let mut new = OsString::from(path);
    new.push(".tmp");
    // What a crash left behind.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // It is ours, and of no use. What went wrong is what the caller hears.
        let _ = fs::remove_file(&new);
    }
    written.and_then(|()| sync_directory(path))
}

/// Where a peer is may be told to its groups alone.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes the new name last, as [`File::sync_all`] does for what the file holds.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
