//! WebSocket: `ws://HOST[:PORT][/PATH][?QUERY]` (RFC 6455).
//!
//! The bytes of a connection travel as the payload of binary messages, whose borders mean nothing, as in the JavaScript
//! multiserver. See [`WsIo`] for how it ends.
//!
//! # URLs
//!
//! The section's name is lower case. A host is a name in ASCII, an IPv4 address, or an IPv6 address in brackets and
//! without a zone; the port is 80 unless said. Refused, where JavaScript would mend or drop it: a URL without a host, a
//! user name or password, a fragment, characters that are not printable ASCII.
//!
//! # Listening
//!
//! A [`Ws`] listens in one of two ways. [`Ws::new`] opens a small HTTP server of its own; a path in the address that it
//! listens at is required of peers and advertised, without one any path will do. [`Ws::hosted`] is for a server that
//! you have already: its other half is a service that answers requests on the route where you mount it.
//!
//! A page of any site can open a WebSocket to this machine. So a connection of [`Scope::Device`] is refused unless its
//! `Host` is localhost or a loopback address, and so is its `Origin` where a browser sends one. Others may be allowed by
//! name, with [`Ws::allow_origins`] and [`Ws::allow_hosts`], which then bind connections of all scopes.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver::Error> {
//! use tower_multiserver::{Shutdown, StackExt, ws::{Request, Ws}};
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let mut incoming = Ws::new().listen("ws://127.0.0.1:0/chat", closing).await?;
//! let (_scope, address) = incoming.addresses()[0].clone();
//!
//! let ws = Ws::new();
//! let (dialed, accepted) = tokio::join!(ws.dial(address), incoming.next());
//! dialed?;
//! let accepted = accepted.expect("a peer")?;
//! let request: &Request = accepted.info().get().expect("a fact");
//! assert_eq!(request.uri(), "/chat");
//! # Ok(())
//! # }
//! ```

mod decode;
mod dial;
mod door;
mod frame;
mod io;
mod listen;
mod request;
mod rules;
mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;
mod url;
#[cfg(test)]
mod url_vectors;
mod violation;

use std::{
    fmt, io as std_io,
    net::{IpAddr, TcpListener as StdListener},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};
use tower_multiserver_core::{
    Accept, Address, Bound, BoxError, BoxIo, Connection, DIAL_TIMEOUT, Error, ErrorKind, Listen,
    LocalAddr, PeerAddr, Scope, Section, within,
};
use tower_service::Service;

pub use self::{
    dial::Refused,
    door::{WsService, WsSocket},
    io::WsIo,
    listen::WsListener,
    request::Request,
    violation::{Aborted, Violation},
};
use self::{
    door::Door,
    rules::Rules,
    serve::{Connections, Fallback, Site},
    url::{ListenUrl, Url},
};
use super::{external::External, net, tcp};

/// The WebSocket transport, for both ends.
#[derive(Clone)]
pub struct Ws {
    dial_timeout: Duration,
    headers: HeaderMap,
    external: External,
    rules: Rules,
    source: Source,
}

/// What it listens through.
#[derive(Clone, Debug)]
enum Source {
    Server {
        bound: Option<Arc<Mutex<Option<StdListener>>>>,
        fallback: Option<Fallback>,
        max_connections: usize,
    },
    Hosted {
        service: WsService,
        scope: Scope,
    },
}

/// How many HTTP connections there may be at once, unless set: WebSockets do not count, so this is for requests under
/// way and for what keeps quiet. Below the 1024 descriptors that a process has as a rule, with room for the rest.
const MAX_CONNECTIONS: usize = 512;

impl Ws {
    /// A transport that dials, and listens with an HTTP server of its own.
    pub fn new() -> Self {
        Self::through(Source::Server {
            bound: None,
            fallback: None,
            max_connections: MAX_CONNECTIONS,
        })
    }

    /// A transport that dials, and listens through the service beside it, which any HTTP/1.1 server can mount on a route:
    /// axum with `route_service`, hyper with upgrades enabled.
    ///
    /// The address to listen at says where peers find that route, such as `ws://localhost:3000/ssb`. Nothing is bound, so
    /// it is told only to whom its host says it is for; what the public is told must be said with
    /// [`external`](Self::external). Connections are of [`Scope::Public`] unless told otherwise by [`scope`](Self::scope).
    ///
    /// ```
    /// use tower_multiserver::ws::Ws;
    ///
    /// let (service, ws) = Ws::hosted();
    /// let app: axum::Router = axum::Router::new().route_service("/ssb", service);
    /// # let _ = (app, ws);
    /// ```
    pub fn hosted() -> (WsService, Self) {
        let service = WsService::default();
        let source = Source::Hosted {
            service: service.clone(),
            scope: Scope::Public,
        };
        (service, Self::through(source))
    }

    fn through(source: Source) -> Self {
        Self {
            dial_timeout: DIAL_TIMEOUT,
            headers: HeaderMap::new(),
            external: External::default(),
            rules: Rules::default(),
            source,
        }
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Adds a header to the request of a dial, such as `Origin` or `Authorization`. Those that make it a WebSocket, and
    /// `Host`, stay what they are.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Says under which other addresses a listener is reached from everywhere: whole transport sections such as
    /// `wss://example.com/ssb` or `onion:X.onion:8008`.
    ///
    /// Since whatever forwards connections from there makes strangers look like neighbours, all its connections are then
    /// of [`Scope::Public`].
    #[must_use]
    pub fn external(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        self.external = External::new(sections);
        self
    }

    /// Refuses the pages of all origins but these, such as `https://example.com`. Programs that are no browser say none,
    /// and come in. Upper and lower case are alike.
    #[must_use]
    pub fn allow_origins(mut self, origins: impl IntoIterator<Item: Into<String>>) -> Self {
        self.rules.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Refuses requests for all hosts but these, such as `example.com`, or `example.com:8443` for this port alone. Upper
    /// and lower case are alike.
    #[must_use]
    pub fn allow_hosts(mut self, hosts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.rules.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Says from where the peers of a [`hosted`](Self::hosted) one can come, since it sees no socket. A `Scope` in the
    /// extensions of a request has precedence. A server of its own knows, and takes no notice.
    #[must_use]
    pub fn scope(mut self, told: Scope) -> Self {
        if let Source::Hosted { scope, .. } = &mut self.source {
            *scope = told;
        }
        self
    }

    /// Listens on a socket that is bound already, such as one that systemd hands over, instead of binding one.
    ///
    /// It is used once, for an address whose port is 0, the socket's own or none; a second one is refused as in use. One
    /// that is hosted binds nothing, and takes no notice.
    #[must_use]
    pub fn bound(mut self, listener: StdListener) -> Self {
        if let Source::Server { bound, .. } = &mut self.source {
            *bound = Some(Arc::new(Mutex::new(Some(listener))));
        }
        self
    }

    /// Answers the requests that want no WebSocket, or on another path, with `service`. Without one they are answered
    /// with 404.
    ///
    /// The facts [`PeerAddr`], [`LocalAddr`] and [`Scope`] are in the requests' extensions. Where the service fails the
    /// answer is 500. One that is hosted is asked for nothing else, and takes no notice.
    #[must_use]
    pub fn fallback<S, B>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if let Source::Server { fallback, .. } = &mut self.source {
            *fallback = Some(Fallback::new(service));
        }
        self
    }

    /// Sets how many HTTP connections there may be at once, beside the WebSockets, which the stack accepts.
    ///
    /// A newcomer never waits for room: it takes the place of the oldest that has no request under way, of its own host
    /// first. One that is hosted has none, and takes no notice.
    #[must_use]
    pub fn max_connections(mut self, max: usize) -> Self {
        if let Source::Server {
            max_connections, ..
        } = &mut self.source
        {
            *max_connections = max;
        }
        self
    }

    async fn connect(
        &self,
        url: &Url,
        section: Section,
    ) -> Result<Connection<WsIo<TcpStream>>, Error> {
        let stream = tcp::connect(&url.at.host, url.at.port).await?;
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        let io = dial::handshake(stream, url, &self.headers).await?;
        Ok(Connection::new(io, section)
            .with(PeerAddr(tcp::canonical(peer)))
            .with(LocalAddr(tcp::canonical(local)))
            .with(tcp::scope(peer, local)))
    }

    async fn open(self, url: ListenUrl) -> Result<Bound<WsListener>, Error> {
        match self.source {
            Source::Hosted { service, scope } => {
                let own = hosted_at(&url)?;
                let own = own.map(|scope| (scope, section(&url)));
                let advertised = self.external.advertised(own.into_iter().collect());
                if advertised.is_empty() {
                    let reason =
                        "where the public finds a hosted WebSocket must be said as external";
                    return Err(Error::unsupported(reason));
                }
                let sockets = service.listen(self.rules, self.external.scope(scope));
                let sockets = sockets.ok_or(std_io::Error::from(std_io::ErrorKind::AddrInUse))?;
                Ok(Bound::new(WsListener::hosted(sockets), advertised))
            }
            Source::Server {
                bound,
                fallback,
                max_connections,
            } => {
                let listener = match &bound {
                    Some(bound) => net::take(bound, url.port.unwrap_or(0))?,
                    None => tcp::bind(&url.host, url.port_or_default()).await?,
                };
                let local = listener.local_addr()?;
                let path = url.path.as_deref();
                let own = tcp::hosts(&url.host, local)?.into_iter();
                let own = own.map(|(scope, host)| (scope, url::section(&host, local.port(), path)));
                let advertised = self.external.advertised(own.collect());
                let (door, sockets) = Door::open(self.rules);
                let site = Site {
                    door,
                    path: url.path,
                    fallback,
                    external: self.external,
                };
                let connections = Connections::new(site, max_connections);
                let listener = WsListener::serving(sockets, listener, connections);
                Ok(Bound::new(listener, advertised))
            }
        }
    }
}

/// Whom to tell the address of a hosted listener: nobody but the public could find another name.
fn hosted_at(url: &ListenUrl) -> Result<Option<Scope>, Error> {
    if url.port == Some(0) {
        let reason = "a hosted WebSocket must be told the port of its server";
        return Err(Error::unsupported(reason));
    }
    let scope = match url.host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => {
            let reason = "a hosted WebSocket must be told one address of its server";
            return Err(Error::unsupported(reason));
        }
        Ok(ip) => Scope::of_ip(ip),
        Err(_) if url.host.eq_ignore_ascii_case("localhost") => Scope::Device,
        Err(_) => Scope::Public,
    };
    Ok(Some(scope).filter(|scope| *scope != Scope::Public))
}

fn section(url: &ListenUrl) -> Section {
    url::section(&url.host, url.port_or_default(), url.path.as_deref())
}

impl Default for Ws {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for Ws {
    type Response = Connection<WsIo<TcpStream>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Some(Instant::now() + self.dial_timeout);
        let section = address.sections()[0].clone();
        let url = address.finish::<Url>("ws");
        let this = self.clone();
        Box::pin(async move {
            let url = url?;
            let at = Address::new(section.clone());
            let connection = within(deadline, this.connect(&url, section)).await;
            let connection = connection.map_err(|error| error.at(|| at))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl Service<Listen> for Ws {
    type Response = Bound<WsListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let url = address.clone().finish::<ListenUrl>("ws");
        let this = self.clone();
        Box::pin(async move {
            let bound = this.open(url?).await;
            bound.map_err(|error| error.at(|| address))
        })
    }
}

impl Service<Accept<WsSocket>> for Ws {
    type Response = Connection<WsIo<BoxIo>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<WsSocket>) -> Self::Future {
        Box::pin(accepted(accept))
    }
}

/// Waits for the HTTP server to hand over the connection.
async fn accepted(accept: Accept<WsSocket>) -> Result<Connection<WsIo<BoxIo>>, Error> {
    let WsSocket {
        upgrade,
        link,
        request,
        waited,
    } = accept.raw;
    // What its HTTP part took is over already.
    let deadline = accept.deadline;
    let deadline = deadline.map(|at| at.checked_sub(waited).unwrap_or_else(Instant::now));
    let section = match link.peer {
        Some(peer) => url::section(&peer.ip().to_string(), peer.port(), None),
        None => Section::new("ws"),
    };
    let at = Address::new(section.clone());
    let upgrade = async {
        let upgraded = upgrade.await;
        upgraded.map_err(|error| Error::new(ErrorKind::Handshake, error))
    };
    let upgraded = within(deadline, upgrade)
        .await
        .map_err(|error| error.at(|| at))?;
    let io = BoxIo::new(TokioIo::new(upgraded));
    let mut connection = Connection::new(WsIo::new(io, frame::Side::Server, b""), section)
        .with_deadline(deadline)
        .with(request)
        .with::<Scope>(link.scope);
    if let Some(peer) = link.peer {
        connection = connection.with(PeerAddr(tcp::canonical(peer)));
    }
    if let Some(local) = link.local {
        connection = connection.with(LocalAddr(tcp::canonical(local)));
    }
    Ok(connection)
}

/// Of the headers only the names: values hold tokens.
impl fmt::Debug for Ws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Ws")
            .field("dial_timeout", &self.dial_timeout)
            .field("headers", &headers)
            .field("external", &self.external)
            .field("rules", &self.rules)
            .field("source", &self.source)
            .finish()
    }
}
