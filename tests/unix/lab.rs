//! A directory for sockets, and servers in it.

use std::{
    error::Error as _,
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::{UnixListener as StdListener, UnixStream as StdStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::UnixStream;
use tower::ServiceExt as _;
use tower_multiserver::{
    Address, Bound, Closing, Connection, Error, ErrorKind, Incoming, Listen, Section, Shutdown,
    StackExt as _,
    transport::Linger,
    unix::{Unix, UnixListener},
};

pub(crate) type Stream = Linger<UnixStream>;

/// Long enough that only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(30);

pub(crate) struct Lab(TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names of all files.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

pub(crate) fn address(path: &Path) -> Address {
    Address::new(Section::new("unix").arg(path.display()))
}

pub(crate) async fn bind(path: &Path) -> Result<Bound<UnixListener>, Error> {
    Unix::new().oneshot(Listen(address(path))).await
}

/// A server that runs until the `Shutdown` is dropped.
pub(crate) async fn serve(
    unix: &Unix,
    path: &Path,
) -> (Shutdown, Incoming<Unix, UnixListener, Stream>) {
    let (shutdown, closing) = Shutdown::new();
    (shutdown, listen(unix, path, closing).await.unwrap())
}

pub(crate) async fn listen(
    unix: &Unix,
    path: &Path,
    closing: Closing,
) -> Result<Incoming<Unix, UnixListener, Stream>, Error> {
    unix.listen(address(path), closing).await
}

/// Both ends of a new connection: the dialer's and the server's.
pub(crate) async fn connect(
    unix: &Unix,
    path: &Path,
    incoming: &mut Incoming<Unix, UnixListener, Stream>,
) -> (Connection<Stream>, Connection<Stream>) {
    let (dialed, accepted) = tokio::join!(unix.dial(address(path)), incoming.next());
    (dialed.unwrap(), accepted.unwrap().unwrap())
}

/// That a server answers at `path` which is `bound`.
pub(crate) async fn answers(bound: &mut Bound<UnixListener>, path: &Path) {
    use tower_multiserver::Listener as _;

    let _dialed = Unix::new().dial(address(path)).await.unwrap();
    let accepted = std::future::poll_fn(|cx| bound.listener.poll_accept(cx));
    let accepted = tokio::time::timeout(HANG, accepted).await.unwrap();
    accepted.unwrap().unwrap();
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

pub(crate) fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

pub(crate) fn io_kind(error: &Error) -> io::ErrorKind {
    assert_eq!(error.kind(), ErrorKind::Io);
    let source = error.source().unwrap().downcast_ref::<io::Error>();
    source.unwrap().kind()
}

/// A server that was killed: its file is there, and nobody listens.
pub(crate) fn leave_dead_socket(path: &Path) {
    kill(StdListener::bind(path).unwrap(), path);
}

/// Leaves the listener's file behind. Until a process that another test is starting has begun its own program, it holds
/// all descriptors of this one, and the socket is not dead.
pub(crate) fn kill(listener: StdListener, path: &Path) {
    drop(listener);
    while StdStream::connect(path).is_ok() {
        std::thread::yield_now();
    }
}
