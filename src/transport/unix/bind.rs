//! Opening a listening socket, and leaving nothing behind.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io,
    os::{
        fd::AsFd as _,
        unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::credentials::own_uid;

/// What the kernel queues of connections that we have not accepted yet; Linux's own limit (`net.core.somaxconn`) unless
/// it was raised. So a burst of them is not refused.
const BACKLOG: u32 = 4096;

/// Only the owner may connect (unix(7): to connect takes the right to write).
const MODE: u32 = 0o600;

/// How often a lock file may vanish under our hands. Each time another server has just stopped, so once is rare.
const LOCK_ATTEMPTS: usize = 100;

/// Listens on a name that is no file.
pub(super) fn name(name: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(name)?;
    socket.listen(BACKLOG)
}

/// Listens on a file, which goes with what is returned beside the listener.
pub(super) async fn file(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let lock = Lock::take(path)?;
    remove_dead(path).await?;
    let socket = UnixSocket::new_stream()?;
    // On Linux the file takes the mode of the socket, so there is no moment with another.
    let settable = File::from(socket.as_fd().try_clone_to_owned()?);
    let _ = settable.set_permissions(Permissions::from_mode(MODE));
    // It creates the file, or fails where there is anything, a dangling link included.
    socket.bind(path)?;
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        id: Id::of(&metadata),
        _lock: lock,
    };
    // Elsewhere it takes the process's mask; nobody can connect before it listens.
    if metadata.permissions().mode() & 0o777 != MODE {
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
    }
    Ok((socket.listen(BACKLOG)?, file))
}

/// Makes room at `path`: removes the socket of a server of ours that is no more, and nothing else.
///
/// That another program puts a file of its own there between the look and the removal is prevented among programs that
/// use our lock.
async fn remove_dead(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        return Err(in_use("what is at the path is no socket"));
    }
    if metadata.uid() != own_uid()? {
        return Err(in_use("the socket belongs to another user"));
    }
    match UnixStream::connect(path).await {
        // Nobody listens.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        _ => return Err(in_use("another server listens there")),
    }
    match remove(path, Id::of(&metadata)) {
        true => Ok(()),
        false => Err(in_use("another server has just begun to listen there")),
    }
}

/// The file of a listening socket, which is removed on drop. Of what another program may have put in its place since,
/// nothing is touched.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    id: Id,
    /// Released after the file is gone.
    _lock: Lock,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove(&self.path, self.id);
    }
}

/// The right to create and remove a socket's file: a locked file beside it. The system releases it when a process dies,
/// however it does.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    id: Id,
    file: File,
}

impl Lock {
    fn take(socket: &Path) -> io::Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        for _ in 0..LOCK_ATTEMPTS {
            if let Some(file) = open_lock(&path)?
                && let Some(lock) = Self::of(&path, file)?
            {
                return Ok(lock);
            }
        }
        Err(in_use("other servers come and go there"))
    }

    /// Locks the opened file. `None` when who held it before has removed it, and others lock the next one.
    fn of(path: &Path, file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(in_use("another server holds the lock file"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let id = Id::of(&file.metadata()?);
        let path = path.to_owned();
        Ok((Id::at(&path) == Some(id)).then_some(Self { path, id, file }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is locked: afterwards it may be another server's.
        remove(&self.path, self.id);
        // Closing does the same, unless a child process has inherited it.
        let _ = self.file.unlock();
    }
}

/// `None` when the file vanished in between. Neither follows nor alters what we did not create.
fn open_lock(path: &Path) -> io::Result<Option<File>> {
    let mut new = OpenOptions::new();
    match new.write(true).create_new(true).mode(MODE).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.map(Some),
    }
    let found = fs::symlink_metadata(path).and_then(|metadata| {
        match metadata.is_file() && metadata.len() == 0 {
            true => OpenOptions::new().write(true).open(path),
            false => Err(in_use("the lock file is somebody's own")),
        }
    });
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Removes the file if it is the one that is meant, and says whether it did.
fn remove(path: &Path, id: Id) -> bool {
    Id::at(path) == Some(id) && fs::remove_file(path).is_ok()
}

/// Which file it is, whatever its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(u64, u64);

impl Id {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }

    fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

fn in_use(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_that_its_last_holder_removed_is_not_locked() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let first = Lock::take(&socket).unwrap();
        let path = first.path.clone();

        // Opened while the first server was there, locked after it and before the next one.
        let late = open_lock(&path).unwrap().unwrap();
        drop(first);
        assert!(Lock::of(&path, late).unwrap().is_none());

        // The same, after the next one.
        let second = Lock::take(&socket).unwrap();
        let late = open_lock(&path).unwrap().unwrap();
        drop(second);
        let third = Lock::take(&socket).unwrap();
        assert!(Lock::of(&path, late).unwrap().is_none());
        assert_eq!(Id::at(&path), Some(third.id));
    }
}
