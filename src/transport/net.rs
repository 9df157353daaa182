//! Plain TCP: `net:HOST:PORT`.
//!
//! The port is what follows the last colon, so an IPv6 host needs no brackets: `net:::1:8008`. Brackets are read, and
//! not written, as the JavaScript multiserver does not know them. An empty host is this machine, `net::8008`.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver::Error> {
//! use tower_multiserver::{PeerAddr, Scope, Shutdown, StackExt, net::Net};
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let mut incoming = Net::new().listen("net:127.0.0.1:0", closing).await?;
//! let (scope, address) = incoming.addresses()[0].clone();
//! assert_eq!(scope, Scope::Device);
//!
//! let dial = Net::new().dial(address);
//! let (dialed, accepted) = tokio::join!(dial, incoming.next());
//! assert!(dialed?.info().get::<PeerAddr>().is_some());
//! assert!(accepted.expect("a peer")?.info().address().to_string().starts_with("net:127.0.0.1:"));
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    future::{Ready, ready},
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, Listen, Listener, LocalAddr, PeerAddr,
    Scope, Section, within,
};
use tower_service::Service;

use super::{Linger, external::External, tcp};

pub use super::tcp::HostPort;

/// The TCP transport, for both ends.
///
/// It connects to a name's addresses as RFC 8305 says and sends small writes at once (TCP_NODELAY).
///
/// A peer that vanished without a word, with its power or its link, is noticed 90 seconds after the last byte: it is asked
/// after a minute of silence whether it is still there, and twice more in the next half (keep-alive). While something that
/// was written is not acknowledged nobody asks: it is sent again for as long as the system does that, a quarter of an hour on
/// Linux, or as [`user_timeout`](Self::user_timeout) says. Reading and writing end with an error then. While a connection
/// is made, the time of the [dial](Self::dial_timeout) or of the [accept](crate::ACCEPT_TIMEOUT) bounds it.
#[derive(Clone, Debug)]
pub struct Net {
    dial_timeout: Duration,
    user_timeout: Option<Duration>,
    external: External,
    bound: Option<Arc<Mutex<Option<StdListener>>>>,
}

/// A bound [`Net`].
#[derive(Debug)]
pub struct NetListener {
    listener: TcpListener,
    external: External,
}

/// A TCP connection before any handshake.
#[derive(Debug)]
pub struct NetSocket {
    stream: TcpStream,
    peer: SocketAddr,
    external: External,
}

impl Net {
    /// A transport that dials and listens wherever an address says.
    pub fn new() -> Self {
        Self {
            dial_timeout: DIAL_TIMEOUT,
            user_timeout: None,
            external: External::default(),
            bound: None,
        }
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Sets how long the peer may not acknowledge what was sent, or not read while there is more to send, before the
    /// connection ends with an error: the user timeout of TCP (RFC 9293, section 3.8.3), on Linux and Android.
    ///
    /// There is none unless set, since a peer that rests for long, such as a pager at its first page, is cut by it too.
    #[must_use]
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = Some(timeout);
        self
    }

    /// Says under which other addresses a listener is reached from everywhere: whole transport sections such as
    /// `net:example.com:8008` or `onion:X.onion:8008`.
    ///
    /// Since whatever forwards connections from there makes strangers look like neighbours, all its connections are then
    /// of [`Scope::Public`]. Where it may be Tor (`onion`), they have no [`HalfClose`](crate::HalfClose) either: Tor ends
    /// both directions with one.
    #[must_use]
    pub fn external(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        self.external = External::new(sections);
        self
    }

    /// Listens on a socket that is bound already, such as one that systemd hands over, instead of binding one.
    ///
    /// It is used once, for an address whose port is 0 or the socket's own; a second one is refused as in use.
    #[must_use]
    pub fn bound(mut self, listener: StdListener) -> Self {
        self.bound = Some(Arc::new(Mutex::new(Some(listener))));
        self
    }

    async fn open(self, at: HostPort) -> io::Result<Bound<NetListener>> {
        let listener = match &self.bound {
            Some(bound) => take(bound, at.port)?,
            None => tcp::bind(&at.host, at.port).await?,
        };
        let local = listener.local_addr()?;
        let own = tcp::hosts(&at.host, local)?
            .into_iter()
            .map(|(scope, host)| (scope, section(host, local.port())))
            .collect();
        let advertised = self.external.advertised(own);
        let external = self.external;
        Ok(Bound::new(NetListener { listener, external }, advertised))
    }
}

/// The socket that was handed over.
pub(super) fn take(bound: &Mutex<Option<StdListener>>, port: u16) -> io::Result<TcpListener> {
    let mut bound = bound.lock().unwrap_or_else(PoisonError::into_inner);
    let own = match &*bound {
        Some(listener) => listener.local_addr()?.port(),
        None => return Err(io::ErrorKind::AddrInUse.into()),
    };
    if ![0, own].contains(&port) {
        let reason = format!("the socket that was handed over has port {own}, not {port}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let listener = bound.take().ok_or(io::ErrorKind::AddrInUse)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for Net {
    type Response = Connection<Linger<TcpStream>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let user_timeout = self.user_timeout;
        let to = address.finish::<HostPort>("net");
        Box::pin(async move {
            let to = to?;
            // The name that was dialed, not what it resolved to: that is a fact.
            let section = section(&to.host, to.port);
            let at = Address::new(section.clone());
            let connect = async {
                let stream = tcp::connect(&to.host, to.port).await?;
                tcp::set_user_timeout(&stream, user_timeout)?;
                let addrs = (stream.peer_addr()?, stream.local_addr()?);
                io::Result::Ok((stream, addrs))
            };
            let (stream, (peer, local)) =
                within(deadline, connect).await.map_err(|e| e.at(|| at))?;
            let scope = tcp::scope(peer, local);
            let connection = External::default().connection(stream, section);
            Ok(known(connection, peer, local, scope).with_deadline(deadline))
        })
    }
}

impl Service<Listen> for Net {
    type Response = Bound<NetListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = address.clone().finish::<HostPort>("net");
        let this = self.clone();
        Box::pin(async move {
            let bound = this.open(at?).await;
            bound.map_err(|error| Error::from(error).at(|| address))
        })
    }
}

impl Service<Accept<NetSocket>> for Net {
    type Response = Connection<Linger<TcpStream>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<NetSocket>) -> Self::Future {
        let peer = tcp::canonical(raw.peer);
        let section = section(peer.ip(), peer.port());
        let at = Address::new(section.clone());
        let accepted = tcp::tune(&raw.stream)
            .and_then(|()| tcp::set_user_timeout(&raw.stream, self.user_timeout))
            .and_then(|()| raw.stream.local_addr());
        ready(match accepted {
            Ok(local) => {
                let scope = raw.external.scope(tcp::scope(peer, local));
                let connection = raw.external.connection(raw.stream, section);
                Ok(known(connection, peer, local, scope).with_deadline(deadline))
            }
            Err(error) => Err(Error::from(error).at(|| at)),
        })
    }
}

fn known(
    connection: Connection<Linger<TcpStream>>,
    peer: SocketAddr,
    local: SocketAddr,
    scope: Scope,
) -> Connection<Linger<TcpStream>> {
    connection
        .with(PeerAddr(tcp::canonical(peer)))
        .with(LocalAddr(tcp::canonical(local)))
        .with(scope)
}

fn section(host: impl fmt::Display, port: u16) -> Section {
    Section::new("net").arg(host).arg(port)
}

impl Listener for NetListener {
    type Raw = NetSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<NetSocket>>> {
        self.listener.poll_accept(cx).map(|accepted| {
            Some(accepted.map(|(stream, peer)| NetSocket {
                stream,
                peer,
                external: self.external.clone(),
            }))
        })
    }

    fn peer_ip(raw: &NetSocket) -> Option<IpAddr> {
        Some(raw.peer.ip())
    }
}
