//! Through a SOCKS5 proxy such as Tor's: `onion:HOST:PORT`, for dialing.
//!
//! Whoever dials is hidden from the peer, and a peer that is an onion service from whoever dials. What goes over the wire
//! is SOCKS5 (RFC 1928) with the host as a name, which the proxy resolves and nobody else: this machine asks no DNS for
//! it. The stream itself is that of the peer, so a transform such as `shs` lies over it as over TCP.
//!
//! # Addresses
//!
//! The host of `onion:HOST:PORT` is mostly the name of an onion service, whose checksum is verified before anybody is
//! told of it; names of version 2 are refused, as Tor has no such services any more. As in the JavaScript
//! multiserver it may be any other host too, a name or an IP address, which Tor reaches by one of its exits. The port
//! is what follows the last colon. See [`Destination`]; what it refuses is an error of kind
//! [`InvalidAddress`](crate::ErrorKind::InvalidAddress), which no [`MultiServer`](crate::MultiServer) passes over: a
//! damaged onion address does not lead to the peer's next address, where we would not be hidden.
//!
//! # Proxies
//!
//! Unless told otherwise it goes by `127.0.0.1:9050`, where Tor listens, or else by `127.0.0.1:9150`, where the Tor
//! Browser does. The next proxy is tried when one cannot be reached, does not answer the greeting within 5 seconds, does
//! not speak SOCKS5, breaks off or does not let us in. What a proxy replies when it could not connect is the end: the next
//! one would tell the same, and there would be two that know. (The JavaScript multiserver tries the next in this case too.)
//! An error of kind [`Proxy`](crate::ErrorKind::Proxy) has [`Failed`] as its source, which tells of every one.
//!
//! To find an onion service takes Tor seconds, so a dial may take a minute, handshakes above included.
//!
//! # Circuits
//!
//! Tor may lead connections to different peers over one circuit, where the exit, or an observer of both, can tell that
//! they have one origin. [`Onion::isolate_peers`] and [`Onion::isolate_by`] keep them apart.
//!
//! # Listening
//!
//! Here is nothing to listen with: an onion service forwards to a [`net`](crate::net) listener. With these lines in Tor's
//! configuration
//!
//! ```text
//! HiddenServiceDir /var/lib/tor/peer
//! HiddenServicePort 8008 127.0.0.1:8008
//! ```
//!
//! it is `Net::new().external(["onion:NAME.onion:8008".parse()?])` that listens at `net:127.0.0.1:8008~shs` and tells the
//! public how it is reached. To listen at an onion address is an error that says so.
//!
//! # How a connection ends
//!
//! Tor ends both directions with one. So the end of ours is held until the peer's has come or the connection is
//! dropped; there is no [`HalfClose`](crate::HalfClose) among the facts. `shs` over it ends each direction by itself.
//! The facts tell no address of the peer, since nobody here knows it, and [`Scope::Public`].
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_multiserver::{Identity, MultiServer, onion::Onion, shs::ShsLayer};
//!
//! # fn main() -> Result<(), tower_multiserver::Error> {
//! let onion = Onion::new()
//!     .proxies(["socks5://127.0.0.1:9050".parse()?])
//!     .isolate_peers()
//!     .dial_timeout(Duration::from_secs(90));
//! let shs = ShsLayer::new(Identity::generate()?);
//! let client = MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(onion));
//! let dial = client.dial("onion:2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:8008~shs:…");
//! # drop(dial);
//! # assert_eq!(tower_multiserver::onion::DIAL_TIMEOUT, Duration::from_secs(60));
//! # Ok(())
//! # }
//! ```

mod destination;
mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod isolation;
mod proxy;
mod socks;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hash::Hash,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{net::TcpStream, time::Instant};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DialOnly, Error, ErrorKind, HeldClose, Listen, Scope,
    within,
};
use tower_service::Service;

use self::{isolation::Isolation, socks::Greeting};
use super::{
    Linger,
    tcp::{self, HostPort},
};

pub use self::{
    destination::{BadDestination, Destination},
    failure::{Failed, Failure, Reply},
    proxy::Proxy,
};

/// How long a dial may take unless set, handshakes above included: Tor looks for a service that it does not know, and
/// builds circuits, for some tens of seconds when the network is slow.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(60);

/// The transport that dials through a SOCKS5 proxy.
#[derive(Clone, Debug)]
pub struct Onion {
    proxies: Vec<Proxy>,
    isolation: Option<Isolation>,
    dial_timeout: Duration,
}

impl Onion {
    /// A transport that goes by the Tor of this machine: `127.0.0.1:9050`, or else `127.0.0.1:9150`.
    pub fn new() -> Self {
        Self {
            proxies: [9050, 9150]
                .map(|port| Proxy::new("127.0.0.1", port))
                .into(),
            isolation: None,
            dial_timeout: DIAL_TIMEOUT,
        }
    }

    /// Goes by the first of these proxies that is one, and by no other.
    #[must_use]
    pub fn proxies(mut self, proxies: impl IntoIterator<Item = Proxy>) -> Self {
        self.proxies = proxies.into_iter().collect();
        self
    }

    /// Has Tor use a circuit of its own for each HOST:PORT that is dialed. (The HOST of an onion service is a key that
    /// it must prove to hold.)
    ///
    /// They are shared with nobody but clones of this value. It is done with made-up names to log in to the proxy with,
    /// by which Tor keeps circuits apart (`IsolateSOCKSAuth`, on unless switched off there). A proxy that lets us in
    /// without one does not isolate, and one with a [`login`](Proxy::login) has no room for another name: neither is used
    /// then. Another proxy than Tor may accept any name and isolate nothing.
    #[must_use]
    pub fn isolate_peers(mut self) -> Self {
        self.isolation.get_or_insert_default();
        self
    }

    /// As [`isolate_peers`](Self::isolate_peers), and keeps apart what is dialed for different `whom`: the keys of two
    /// peers behind one HOST:PORT, or two identities of ours that nobody shall know to be one.
    ///
    /// ```
    /// use tower::Layer as _;
    /// use tower_multiserver::{Identity, onion::Onion, shs::ShsLayer};
    ///
    /// # fn main() -> Result<(), tower_multiserver::Error> {
    /// let onion = Onion::new().isolate_peers();
    /// let stack_of = |identity: &Identity| {
    ///     let shs = ShsLayer::new(identity.clone());
    ///     shs.layer(onion.clone().isolate_by(identity.public_key()))
    /// };
    /// let (mine, of_my_work) = (stack_of(&Identity::generate()?), stack_of(&Identity::generate()?));
    /// # drop((mine, of_my_work));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn isolate_by(mut self, whom: impl Hash) -> Self {
        let isolation = self.isolation.unwrap_or_default();
        self.isolation = Some(isolation.by(whom));
        self
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    async fn connect(&self, to: &Destination) -> Result<TcpStream, Error> {
        let isolated = self.isolation.as_ref().map(|by| by.login(to));
        let mut attempts = Vec::new();
        for proxy in &self.proxies {
            let connect = tcp::connect(&proxy.host, proxy.port);
            let asked = match (&isolated, &proxy.login) {
                (Some(_), Some(_)) => Err(Failure::NotIsolated),
                (Some(login), None) => {
                    socks::ask(connect, to.target(), Greeting::Isolated(login)).await
                }
                (None, Some(login)) => {
                    socks::ask(connect, to.target(), Greeting::Login(login)).await
                }
                (None, None) => socks::ask(connect, to.target(), Greeting::Anonymous).await,
            };
            match asked {
                Ok(stream) => return Ok(stream),
                Err(failure) => {
                    let is_final = failure.is_final();
                    attempts.push((proxy.to_string(), failure));
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(Error::new(ErrorKind::Proxy, Failed::new(attempts)))
    }
}

impl Default for Onion {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for Onion {
    type Response = Connection<Linger<TcpStream>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let at = address.clone();
        let to = address.finish::<HostPort>("onion");
        let this = self.clone();
        Box::pin(async move {
            // Not as the arguments of the section, which would make it an address that another stack may understand.
            let to = Destination::try_from(to?).map_err(|error| error.at(|| at))?;
            let section = to.section();
            let stream = within(deadline, this.connect(&to)).await;
            let stream = stream.map_err(|error| error.at(|| Address::new(section.clone())))?;
            // The addresses of the socket are the proxy's and say nothing about the peer.
            Ok(Connection::new(Linger::holding(stream), section)
                .with(HeldClose)
                .with(Scope::Public)
                .with_deadline(deadline))
        })
    }
}

/// It cannot listen, and says what can.
impl Service<Listen> for Onion {
    type Response = Bound<DialOnly>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Listen) -> Self::Future {
        ready(Err(Error::unsupported(
            "`onion` can only be dialed; to be reached there, listen with `net` \
             and point a hidden service of Tor's at that",
        )))
    }
}

impl Service<Accept<Infallible>> for Onion {
    type Response = Connection<Linger<TcpStream>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<Infallible>) -> Self::Future {
        match accept.raw {}
    }
}
