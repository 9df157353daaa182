//! Between HTTP and the stack: a request comes in at the door, a socket goes out to the listener.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::Instant,
};
use tower_multiserver_core::{Error, LocalAddr, PeerAddr, Scope};
use tower_service::Service;

use crate::lock::lock;

use super::{
    request,
    rules::Rules,
    upgrade::{self, Refusal},
};

/// What waits between an answered handshake and the stack, which takes it at once: room for a burst.
const BACKLOG: usize = 256;

/// A WebSocket whose handshake is being answered, before any handshake of the layers above; or what came of a connection
/// that failed before its first request.
pub struct WsSocket {
    pub(super) opened: Result<Opened, Error>,
    pub(super) link: Link,
    /// How long it has kept us waiting already.
    pub(super) waited: Duration,
}

/// A request whose connection is about to be handed over.
pub(super) struct Opened {
    pub(super) upgrade: OnUpgrade,
    pub(super) request: request::Request,
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) peer: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
    pub(super) scope: Scope,
    /// When the patience with it began.
    pub(super) since: Instant,
    /// What else was learned before the first request.
    pub(super) facts: Extensions,
}

/// Where sockets come out.
pub(super) type Sockets = mpsc::Receiver<WsSocket>;

/// Where requests come in.
#[derive(Clone, Debug)]
pub(super) struct Door {
    rules: Arc<Rules>,
    sockets: mpsc::Sender<WsSocket>,
}

impl Door {
    pub(super) fn open(rules: Rules) -> (Self, Sockets) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let door = Self {
            rules: Arc::new(rules),
            sockets: sender,
        };
        (door, receiver)
    }

    fn is_open(&self) -> bool {
        !self.sockets.is_closed()
    }

    /// Answers a request whose `answer` is a good one. A place for the socket is reserved first.
    pub(super) fn admit<B>(
        &self,
        request: &mut Request<B>,
        answer: Response<String>,
        link: Link,
    ) -> Result<Response<String>, Refusal> {
        let checked = self.rules.check(request.headers(), link.scope);
        checked.map_err(Refusal::last)?;
        let place = self.sockets.try_reserve().map_err(|_| unavailable())?;
        let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
            return Err(Refusal::new(
                StatusCode::NOT_IMPLEMENTED,
                "this server does not hand over connections",
            )
            .last());
        };
        let request = request::Request::copied(request.uri(), request.headers());
        place.send(WsSocket {
            opened: Ok(Opened { upgrade, request }),
            link,
            waited: Duration::ZERO,
        });
        Ok(answer)
    }

    /// Tells the stack of a connection that failed before its first request, unless there are too many to tell of.
    pub(super) fn fail(&self, error: Error, link: Link) {
        let failed = self.sockets.try_send(WsSocket {
            opened: Err(error),
            link,
            waited: Duration::ZERO,
        });
        if let Err(TrySendError::Full(WsSocket {
            opened: Err(error), ..
        })) = failed
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "not accepted");
        }
    }
}

fn unavailable() -> Refusal {
    let reason = "no WebSocket can be opened here now";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).last()
}

/// Answers HTTP requests, for a server that hosts a [`Ws`](super::Ws) beside other things; see
/// [`Ws::hosted`](super::Ws::hosted).
///
/// Generic in the request's body, which it does not read. The answer is 101 for a WebSocket; 426 for another request;
/// 400 for a bad handshake; 505 for HTTP/2 and later; 403 or 421 for an origin or a host that is not allowed; 501 where
/// the server cannot hand over a connection; 503 where nobody listens, or the listener is full or closing. Each says
/// why in its body, and closes the connection where a WebSocket was asked for, so that no proxy can be made to pass requests
/// through what it takes for one.
///
/// Of the peer only request extensions tell, which the server or a middleware has put there: the facts
/// [`PeerAddr`], [`LocalAddr`] and [`Scope`], the last with precedence over [`Ws::scope`](super::Ws::scope); with the
/// feature `axum` also its `ConnectInfo<SocketAddr>`.
#[derive(Clone, Debug, Default)]
pub struct WsService(Arc<Mutex<Option<(Door, Scope)>>>);

impl WsService {
    /// Lets requests in, if they are not let in somewhere else already. `scope` is that of requests that say none.
    pub(super) fn listen(&self, rules: Rules, scope: Scope) -> Option<Sockets> {
        let mut open = lock(&self.0);
        if open.as_ref().is_some_and(|(door, _)| door.is_open()) {
            return None;
        }
        let (door, sockets) = Door::open(rules);
        *open = Some((door, scope));
        Some(sockets)
    }

    fn answer<B>(&self, request: &mut Request<B>) -> Result<Response<String>, Refusal> {
        let answer = upgrade::answer(request)?;
        let open = lock(&self.0).clone();
        let (door, scope) = open.ok_or_else(unavailable)?;
        let link = Link::told(request.extensions(), scope);
        door.admit(request, answer, link)
    }
}

impl<B> Service<Request<B>> for WsService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&mut request).unwrap_or_else(Response::from)))
    }
}

impl Link {
    /// What request extensions tell.
    fn told(extensions: &Extensions, scope: Scope) -> Self {
        let peer = extensions.get().map(|PeerAddr(addr)| *addr);
        let local = extensions.get().map(|LocalAddr(addr)| *addr);
        Self {
            peer: peer.or_else(|| connect_info(extensions)),
            local,
            scope: extensions.get().copied().unwrap_or(scope),
            since: Instant::now(),
            facts: Extensions::new(),
        }
    }
}

#[cfg(feature = "axum")]
fn connect_info(extensions: &Extensions) -> Option<SocketAddr> {
    let info = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>();
    info.map(|info| info.0)
}

#[cfg(not(feature = "axum"))]
fn connect_info(_: &Extensions) -> Option<SocketAddr> {
    None
}

impl fmt::Debug for WsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsSocket")
            .field("link", &self.link)
            .field("failed", &self.opened.as_ref().err())
            .finish_non_exhaustive()
    }
}
