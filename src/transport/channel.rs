//! Pairs of streams within one program, by name: `channel:NAME`.
//!
//! The name is all that follows the first colon. (The bare word `channel` is the address of another protocol,
//! multiserver-rn-channel, and is not understood here; it is that of `rn_channel`.)
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver::{Shutdown, StackExt, channel::Channel};
//!
//! let channel = Channel::new();
//! let (_shutdown, closing) = Shutdown::new();
//! let mut incoming = channel.listen("channel:here", closing).await?;
//!
//! let (dialed, accepted) = tokio::join!(channel.dial("channel:here"), incoming.next());
//! dialed?.write_all(b"hello").await?;
//! let mut text = String::new();
//! accepted.expect("a peer")?.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    future::{Ready, ready},
    io,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    time::Instant,
};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, FromSection, HalfClose, Listen,
    Listener, Scope, Section, within,
};
use tower_service::Service;

/// The transport within one program, for both ends. Its connections are of [`Scope::Device`].
///
/// Names are those of one value and its clones. A name is free again when its listener is dropped.
///
/// A dial waits until the listener has room for it, as long as its deadline allows; once it has, the streams are
/// connected and what is written waits to be accepted.
#[derive(Clone)]
pub struct Channel {
    names: Arc<Names>,
    dial_timeout: Duration,
}

/// A bound [`Channel`].
pub struct ChannelListener {
    name: Name,
    names: Arc<Names>,
    backlog: mpsc::Receiver<ChannelSocket>,
}

/// A stream before any handshake.
#[derive(Debug)]
pub struct ChannelSocket {
    stream: DuplexStream,
    section: Section,
}

type Names = Mutex<HashMap<Name, mpsc::Sender<ChannelSocket>>>;

/// How many bytes each direction holds before its writer waits: as many as a pipe (pipe(7)).
const BUFFER: usize = 64 * 1024;

/// How many streams wait to be accepted before a dial waits.
const BACKLOG: usize = 128;

impl Channel {
    /// A transport with names of its own.
    pub fn new() -> Self {
        Self::over(Arc::default())
    }

    /// The transport whose names are known in the whole program.
    pub fn global() -> Self {
        static GLOBAL: LazyLock<Arc<Names>> = LazyLock::new(Arc::default);
        Self::over(GLOBAL.clone())
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    fn over(names: Arc<Names>) -> Self {
        Self {
            names,
            dial_timeout: DIAL_TIMEOUT,
        }
    }
}

impl Default for Channel {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for Channel {
    type Response = Connection<DuplexStream>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let names = self.names.clone();
        let to = address.clone().finish::<Name>("channel");
        Box::pin(async move {
            let name = to?;
            let section = name.section();
            let (ours, theirs) = duplex(BUFFER);
            let connect = async {
                let backlog = lock(&names).get(&name).cloned();
                let socket = ChannelSocket {
                    stream: theirs,
                    section: section.clone(),
                };
                let backlog = backlog.ok_or(io::ErrorKind::ConnectionRefused)?;
                let sent = backlog.send(socket).await;
                sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))
            };
            let connected = within(deadline, connect).await;
            connected.map_err(|error| error.at(|| address))?;
            Ok(connection(ours, section, deadline))
        })
    }
}

impl Service<Listen> for Channel {
    type Response = Bound<ChannelListener>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = address.clone().finish::<Name>("channel");
        ready(at.and_then(|name| {
            let section = name.section();
            let listener = ChannelListener::open(name, self.names.clone());
            let listener = listener.map_err(|error| Error::from(error).at(|| address))?;
            Ok(Bound::new(listener, [(Scope::Device, section)]))
        }))
    }
}

impl Service<Accept<ChannelSocket>> for Channel {
    type Response = Connection<DuplexStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<ChannelSocket>) -> Self::Future {
        ready(Ok(connection(raw.stream, raw.section, deadline)))
    }
}

fn connection(
    stream: DuplexStream,
    section: Section,
    deadline: Option<Instant>,
) -> Connection<DuplexStream> {
    Connection::new(stream, section)
        .with(Scope::Device)
        .with(HalfClose)
        .with_deadline(deadline)
}

impl ChannelListener {
    fn open(name: Name, names: Arc<Names>) -> io::Result<Self> {
        let (sender, backlog) = mpsc::channel(BACKLOG);
        match lock(&names).entry(name.clone()) {
            Entry::Occupied(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Entry::Vacant(vacant) => vacant.insert(sender),
        };
        Ok(Self {
            name,
            names,
            backlog,
        })
    }
}

impl Drop for ChannelListener {
    fn drop(&mut self) {
        // Ours for sure: nobody else could listen on it.
        lock(&self.names).remove(&self.name);
    }
}

impl Listener for ChannelListener {
    type Raw = ChannelSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<ChannelSocket>>> {
        self.backlog.poll_recv(cx).map(|socket| socket.map(Ok))
    }
}

/// The map is whole whenever the lock is free, also after a panic.
fn lock(names: &Names) -> MutexGuard<'_, HashMap<Name, mpsc::Sender<ChannelSocket>>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What follows `channel:`; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(String);

impl Name {
    fn section(&self) -> Section {
        Section::new("channel").arg(&self.0)
    }
}

impl FromSection for Name {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match section.args() {
            None | Some("") => Err(Error::unsupported("`channel` needs a name, `channel:NAME`")),
            Some(name) => Ok(Self(name.to_owned())),
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl fmt::Debug for ChannelListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelListener")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
