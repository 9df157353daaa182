//! A network in memory, whose connections give, take and fail as a seed says.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep},
};
use tower_service::Service;

use crate::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, FromSection, HalfClose, Listen,
    Listener, Scope, Section, within,
};

use super::{Fault, Manner, Side, Tap, Wire};

/// A network in memory: the transport `lan`, for both ends, of one host on it. Other hosts are at [`Lan::host`].
///
/// A host listens at its own name. Every connection is a [`Wire`] of its own [`Manner`], and takes a moment to be made. A
/// test lets hosts be [cut off](Self::part) from each other, cuts the connections that there [are](Self::cut), and lets
/// those to come [break](Self::set_fragile). With paused time, days pass at once.
///
/// ```
/// use std::time::Duration;
/// use tokio::{io::AsyncWriteExt as _, time::timeout};
/// use tower_multiserver_core::{Shutdown, StackExt as _, testing::Lan};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_multiserver_core::Error> {
/// let alice = Lan::new("alice", 7);
/// let bob = alice.host("bob");
/// let (_shutdown, closing) = Shutdown::new();
/// let mut incoming = bob.listen("lan:bob", closing).await?;
///
/// alice.part("alice", "bob");
/// let day = Duration::from_secs(24 * 60 * 60);
/// assert!(timeout(day, alice.dial("lan:bob")).await.expect("its own deadline").is_err());
///
/// alice.rejoin("alice", "bob");
/// let (dialed, accepted) = tokio::join!(alice.dial("lan:bob"), incoming.next());
/// let (mut dialed, _accepted) = (dialed?, accepted.expect("a peer")?);
/// alice.cut("alice", "bob");
/// assert!(dialed.write_all(b"hello").await.is_err());
/// assert_eq!(alice.dials("alice", "bob"), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lan {
    shared: Arc<Shared>,
    name: Arc<str>,
}

struct Shared {
    state: Mutex<State>,
    /// Told whenever who reaches whom has changed.
    changed: Notify,
}

struct State {
    rng: Rng,
    listeners: HashMap<Arc<str>, mpsc::Sender<LanSocket>>,
    cables: Vec<Cable>,
    parted: HashSet<Pair>,
    dials: HashMap<[Arc<str>; 2], usize>,
    fragile: Option<u64>,
}

struct Cable {
    pair: Pair,
    tap: Tap,
}

/// Two hosts, in the order of their names.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Pair([Arc<str>; 2]);

/// A bound [`Lan`].
pub struct LanListener {
    name: Arc<str>,
    shared: Arc<Shared>,
    backlog: mpsc::Receiver<LanSocket>,
}

/// One end of a [`Lan`]'s connection before any handshake.
#[derive(Debug)]
pub struct LanSocket {
    wire: Wire,
    half_close: bool,
}

/// How many connections wait to be accepted. More are refused.
const BACKLOG: usize = 128;

/// How long a connection takes to be made at most, in milliseconds.
const SLOWEST: u64 = 100;

/// What each direction of a connection holds at least, so that a case is not too long.
const GRAIN: usize = 64;

impl Lan {
    /// The host of this name, on a network of its own.
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    rng: Rng::with_seed(seed),
                    listeners: HashMap::new(),
                    cables: Vec::new(),
                    parted: HashSet::new(),
                    dials: HashMap::new(),
                    fragile: None,
                }),
                changed: Notify::new(),
            }),
            name: name.into(),
        }
    }

    /// Another host on the same network.
    #[must_use]
    pub fn host(&self, name: &str) -> Self {
        Self {
            shared: self.shared.clone(),
            name: name.into(),
        }
    }

    /// Lets nothing through between two hosts, and nobody know: what is sent waits, and dials do.
    pub fn part(&self, a: &str, b: &str) {
        self.set_parted(a, b, true);
    }

    /// Lets everything through again. What has waited arrives.
    pub fn rejoin(&self, a: &str, b: &str) {
        self.set_parted(a, b, false);
    }

    fn set_parted(&self, a: &str, b: &str, are_parted: bool) {
        let pair = Pair::new(a, b);
        let mut state = self.lock();
        for cable in state.cables.iter().filter(|cable| cable.pair == pair) {
            cable.tap.hold(are_parted);
        }
        match are_parted {
            true => state.parted.insert(pair),
            false => state.parted.remove(&pair),
        };
        self.shared.changed.notify_waiters();
    }

    /// Resets the connections that there are between two hosts.
    pub fn cut(&self, a: &str, b: &str) {
        let pair = Pair::new(a, b);
        for cable in &self.lock().cables {
            if cable.pair == pair {
                cable.tap.cut();
            }
        }
    }

    /// Lets what either end of a new connection sends be cut off somewhere in its first so many bytes, one time in two; or,
    /// with `None`, no connection any more.
    pub fn set_fragile(&self, within: Option<u64>) {
        let mut state = self.lock();
        state.fragile = within;
        if within.is_none() {
            state
                .cables
                .iter()
                .for_each(|cable| cable.tap.clear_faults());
        }
    }

    /// How many connections there are between two hosts.
    pub fn connections(&self, a: &str, b: &str) -> usize {
        let pair = Pair::new(a, b);
        let state = self.lock();
        let alive = |cable: &&Cable| cable.pair == pair && cable.tap.is_alive();
        state.cables.iter().filter(alive).count()
    }

    /// How often one host has dialed another.
    pub fn dials(&self, from: &str, to: &str) -> usize {
        let dials = &self.lock().dials;
        dials.get(&[from.into(), to.into()]).copied().unwrap_or(0)
    }

    async fn connect(&self, to: Arc<str>) -> io::Result<LanSocket> {
        let pair = Pair::new(&self.name, &to);
        let pause = {
            let mut state = self.lock();
            *state
                .dials
                .entry([self.name.clone(), to.clone()])
                .or_default() += 1;
            Duration::from_millis(state.rng.u64(..SLOWEST))
        };
        sleep(pause).await;
        loop {
            let changed = self.shared.changed.notified();
            if !self.lock().parted.contains(&pair) {
                break;
            }
            changed.await;
        }
        let mut state = self.lock();
        let listener = state.listeners.get(&to).cloned();
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ours, theirs) = state.wires(pair);
        match listener.try_send(theirs) {
            Ok(()) => Ok(ours),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wires(&mut self, pair: Pair) -> (LanSocket, LanSocket) {
        self.cables.retain(|cable| cable.tap.is_alive());
        let manner = Manner::draw(&mut self.rng, GRAIN);
        let (near, far, tap) = Wire::pair(manner, self.rng.u64(..));
        if let Some(within) = self.fragile {
            for side in Side::BOTH {
                if self.rng.bool() {
                    tap.set_fault(side, Fault::Cut(self.rng.u64(..=within)));
                }
            }
        }
        self.cables.push(Cable { pair, tap });
        let half_close = manner.half_close;
        let end = |wire| LanSocket { wire, half_close };
        (end(near), end(far))
    }
}

impl Pair {
    fn new(a: &str, b: &str) -> Self {
        let mut pair = [a.into(), b.into()];
        pair.sort();
        Self(pair)
    }
}

impl LanSocket {
    fn connection(self, name: &str, deadline: Option<Instant>) -> Connection<Wire> {
        let section = Section::new("lan").arg(name);
        let connection = Connection::new(self.wire, section)
            .with(Scope::Local)
            .with_deadline(deadline);
        match self.half_close {
            true => connection.with(HalfClose),
            false => connection,
        }
    }
}

impl Service<Address> for Lan {
    type Response = Connection<Wire>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(DIAL_TIMEOUT);
        let to = address.clone().finish::<Name>("lan");
        let this = self.clone();
        Box::pin(async move {
            let Name(name) = to?;
            let socket = within(deadline, this.connect(name.clone())).await;
            let socket = socket.map_err(|error| error.at(|| address))?;
            Ok(socket.connection(&name, deadline))
        })
    }
}

impl Service<Listen> for Lan {
    type Response = Bound<LanListener>;
    type Error = Error;
    type Future = std::future::Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let (sender, backlog) = mpsc::channel(BACKLOG);
        let bind = |Name(name): Name| {
            let mut state = self.lock();
            if name != self.name {
                return Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into());
            }
            if state.listeners.contains_key(&name) {
                return Err(io::Error::from(io::ErrorKind::AddrInUse).into());
            }
            state.listeners.insert(name.clone(), sender);
            let section = Section::new("lan").arg(&*name);
            let listener = LanListener {
                name,
                shared: self.shared.clone(),
                backlog,
            };
            Ok(Bound::new(listener, [(Scope::Local, section)]))
        };
        let at = address.clone().finish::<Name>("lan");
        let bound = at.and_then(|name| bind(name).map_err(|error: Error| error.at(|| address)));
        std::future::ready(bound)
    }
}

impl Service<Accept<LanSocket>> for Lan {
    type Response = Connection<Wire>;
    type Error = Error;
    type Future = std::future::Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<LanSocket>) -> Self::Future {
        std::future::ready(Ok(raw.connection(&self.name, deadline)))
    }
}

impl Listener for LanListener {
    type Raw = LanSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<LanSocket>>> {
        self.backlog.poll_recv(cx).map(|socket| socket.map(Ok))
    }
}

impl Drop for LanListener {
    fn drop(&mut self) {
        // Ours for sure: nobody else could listen there.
        self.shared.lock().listeners.remove(&self.name);
    }
}

/// What follows `lan:`.
struct Name(Arc<str>);

impl FromSection for Name {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match section.args() {
            None | Some("") => Err(Error::unsupported("`lan` needs a host, `lan:HOST`")),
            Some(name) => Ok(Self(name.into())),
        }
    }
}

impl fmt::Debug for Lan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lan")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LanListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanListener")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
