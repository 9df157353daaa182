//! The transport and its settings.

use std::{
    fmt,
    net::TcpListener as StdListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Incoming;
use tower_multiserver_core::{BoxError, DIAL_TIMEOUT, Scope, Section};
use tower_service::Service;

use super::{WsService, fallback::Fallback, rules::Rules};
use crate::transport::external::External;

/// The WebSocket transport, for both ends.
#[derive(Clone)]
pub struct Ws {
    pub(super) dial_timeout: Duration,
    pub(super) user_timeout: Option<Duration>,
    pub(super) headers: HeaderMap,
    pub(super) external: External,
    pub(super) rules: Rules,
    pub(super) source: Source,
}

/// What it listens through.
#[derive(Clone, Debug)]
pub(super) enum Source {
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
            user_timeout: None,
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

    /// Sets how long the peer may not acknowledge what was sent, or not read while there is more to send, before the
    /// connection ends with an error: the user timeout of TCP (RFC 9293, section 3.8.3), on Linux and Android. A
    /// [`hosted`](Self::hosted) one has no sockets to accept, so there it is for dials only.
    ///
    /// There is none unless set, since a peer that rests for long, such as a pager at its first page, is cut by it too.
    #[must_use]
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = Some(timeout);
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
    /// The facts [`PeerAddr`](crate::PeerAddr), [`LocalAddr`](crate::LocalAddr) and [`Scope`] are in the requests'
    /// extensions, and those of TLS where there is some. Where the service fails the answer is 500. One that is hosted is
    /// asked for nothing else, and takes no notice.
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
}

impl Default for Ws {
    fn default() -> Self {
        Self::new()
    }
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
