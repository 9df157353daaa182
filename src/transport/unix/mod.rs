//! Unix domain sockets: `unix:PATH`.
//!
//! The path is all that follows the first colon, colons of its own included. It is absolute, since an address means the
//! same to everybody who reads it, and at most 107 bytes long (103 but on Linux, unix(7)).
//!
//! Only the owner of a server's socket can connect to it (mode 0600), from its first moment. A server removes its socket
//! when it stops, and replaces one that a killed server left behind; anything else at the path is an error, an
//! [`AddrInUse`](std::io::ErrorKind::AddrInUse), and stays. For as long as it runs there is an empty file `PATH.lock`
//! beside it, by which of several servers one is the first.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_multiserver::{Scope, Section, Shutdown, StackExt, unix::{PeerCredentials, Unix}};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("socket");
//! let address = tower_multiserver::Address::new(Section::new("unix").arg(path.display()));
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let mut incoming = Unix::new().listen(address.clone(), closing).await?;
//!
//! let (dialed, accepted) = tokio::join!(Unix::new().dial(address), incoming.next());
//! let peer = *dialed?.info().get::<PeerCredentials>().expect("always known");
//! assert_eq!(peer.pid, Some(std::process::id() as i32));
//! assert_eq!(accepted.expect("a peer")?.info().scope(), Scope::Device);
//! # Ok(())
//! # }
//! ```

mod bind;
mod credentials;
mod endpoint;

use std::{
    future::{Ready, ready},
    io,
    path::Path,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    net::{self, UnixStream},
    time::{Instant, sleep},
};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, Listen, Listener, Scope, Section,
    within,
};
use tower_service::Service;

use self::bind::SocketFile;

pub use self::endpoint::Endpoint;
use super::{Linger, external::External};

pub use self::credentials::PeerCredentials;

/// The unix socket transport, for both ends.
///
/// Its connections hold the [`PeerCredentials`] of the other process as a fact. They are of [`Scope::Device`] when that
/// process runs as our user or as root, and of [`Scope::Public`] when it is somebody else's.
#[derive(Clone, Debug)]
pub struct Unix {
    dial_timeout: Duration,
    abstract_names: bool,
    external: External,
}

/// A bound [`Unix`]. Dropping it removes the socket's file.
#[derive(Debug)]
pub struct UnixListener {
    // Dropped before the socket, so that the file's inode number still means this socket.
    _file: Option<SocketFile>,
    listener: net::UnixListener,
    section: Section,
    external: External,
}

/// A unix socket connection before any handshake.
#[derive(Debug)]
pub struct UnixSocket {
    stream: UnixStream,
    section: Section,
    external: External,
}

/// How long to wait before a server that has no room for one more connection is asked again. Connecting to a unix socket
/// does not wait for room by itself when it is told not to block (connect(2), EAGAIN).
const NO_ROOM_PAUSE: Duration = Duration::from_millis(10);

impl Unix {
    /// A transport that dials and listens wherever an address says.
    pub fn new() -> Self {
        Self {
            dial_timeout: DIAL_TIMEOUT,
            abstract_names: false,
            external: External::default(),
        }
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Says whether `unix:@NAME` is understood: Linux's abstract names, which are no files. Not unless set.
    ///
    /// Every user of the machine can connect to such a name, and can be the first to listen on it.
    #[must_use]
    pub fn abstract_names(mut self, understood: bool) -> Self {
        self.abstract_names = understood;
        self
    }

    /// Says under which other addresses a listener is reached from everywhere: whole transport sections such as
    /// `wss://example.com/peers` or `onion:X.onion:8008`.
    ///
    /// Since whatever forwards connections from there makes strangers look like ourselves, all its connections are then
    /// of [`Scope::Public`]. Where it may be Tor (`onion`), they have no [`HalfClose`](crate::HalfClose) either: Tor ends
    /// both directions with one.
    #[must_use]
    pub fn external(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        self.external = External::new(sections);
        self
    }

    fn endpoint(&self, address: &Address) -> Result<Endpoint, Error> {
        let endpoint = address.clone().finish::<Endpoint>("unix")?;
        match endpoint {
            Endpoint::Abstract(_) if !self.abstract_names => {
                let reason = "abstract names are not switched on";
                Err(Error::unsupported(reason).at(|| address.clone()))
            }
            endpoint => Ok(endpoint),
        }
    }

    async fn open(self, at: &Endpoint, section: Section) -> io::Result<Bound<UnixListener>> {
        let (listener, file) = match at {
            Endpoint::Path(path) => {
                let (listener, file) = bind::file(path).await?;
                (listener, Some(file))
            }
            Endpoint::Abstract(_) => (bind::name(&at.to_path())?, None),
        };
        let own = vec![(Scope::Device, section.clone())];
        let advertised = self.external.advertised(own);
        let listener = UnixListener {
            _file: file,
            listener,
            section,
            external: self.external,
        };
        Ok(Bound::new(listener, advertised))
    }
}

impl Default for Unix {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for Unix {
    type Response = Connection<Linger<UnixStream>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let to = self.endpoint(&address);
        Box::pin(async move {
            let to = to?.to_path();
            let section = address.transport().clone();
            let connect = async {
                let stream = connect(&to).await?;
                let peer = PeerCredentials::of(&stream)?;
                let connection = External::default().connection(stream, section);
                io::Result::Ok(connection.with(peer).with(peer.scope()?))
            };
            let connection = within(deadline, connect).await;
            let connection = connection.map_err(|error| error.at(|| address))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

async fn connect(to: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(to).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(NO_ROOM_PAUSE).await,
            connected => return connected,
        }
    }
}

impl Service<Listen> for Unix {
    type Response = Bound<UnixListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = self.endpoint(&address);
        let this = self.clone();
        Box::pin(async move {
            let section = address.transport().clone();
            let bound = this.open(&at?, section).await;
            bound.map_err(|error| Error::from(error).at(|| address))
        })
    }
}

impl Service<Accept<UnixSocket>> for Unix {
    type Response = Connection<Linger<UnixStream>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<UnixSocket>) -> Self::Future {
        let at = Address::new(raw.section.clone());
        let accepted = PeerCredentials::of(&raw.stream).and_then(|peer| {
            let scope = raw.external.scope(peer.scope()?);
            let connection = raw.external.connection(raw.stream, raw.section);
            Ok(connection.with(peer).with(scope))
        });
        ready(match accepted {
            Ok(connection) => Ok(connection.with_deadline(deadline)),
            Err(error) => Err(Error::from(error).at(|| at)),
        })
    }
}

impl Listener for UnixListener {
    type Raw = UnixSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<UnixSocket>>> {
        self.listener.poll_accept(cx).map(|accepted| {
            Some(accepted.map(|(stream, _)| UnixSocket {
                stream,
                section: self.section.clone(),
                external: self.external.clone(),
            }))
        })
    }
}
