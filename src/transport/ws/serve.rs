//! A small HTTP server, for a transport that listens by itself: WebSockets on one path, the rest to another service.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire},
        },
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Extensions, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tower_multiserver_core::{ACCEPT_TIMEOUT, BoxError, BoxIo, Error, Io, one_host, within};

use super::{
    MAX_HEAD,
    door::{Door, Link},
    fallback::{AnyBody, Fallback, any_body},
    head::first_head,
    upgrade::{self, Refusal},
};
use crate::{
    lock::lock,
    transport::{external::External, linger::hang_up, tcp},
};

/// What stands before HTTP: a handshake of each new connection, which gives facts.
pub(super) trait Front: fmt::Debug + Send + Sync {
    /// Shakes hands. Where that fails the socket comes back, so that the peer can be told before it is closed.
    fn open(&self, stream: TcpStream) -> BoxFuture<'static, Result<(BoxIo, Extensions), Failed>>;
}

/// Why, and the socket where there still is one.
pub(super) type Failed = (Error, Option<TcpStream>);

/// What all connections of one server share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) user_timeout: Option<Duration>,
    pub(super) front: Option<Arc<dyn Front>>,
    pub(super) door: Door,
    /// The only path of WebSockets, or `None` for all.
    pub(super) path: Option<String>,
    pub(super) fallback: Option<Fallback>,
    pub(super) external: External,
}

/// HTTP connections, bounded: a newcomer never waits for room. Dropping it ends them, but for what is a WebSocket by then.
pub(super) struct Connections {
    site: Arc<Site>,
    tasks: JoinSet<()>,
    oldest_first: VecDeque<Entry>,
    max: usize,
}

struct Entry {
    task: AbortHandle,
    host: IpAddr,
    busy: Busy,
}

impl Connections {
    pub(super) fn new(site: Site, max: usize) -> Self {
        Self {
            site: Arc::new(site),
            tasks: JoinSet::new(),
            oldest_first: VecDeque::new(),
            max: max.max(1),
        }
    }

    /// Forgets those that ended.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next_with_id(cx) {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.oldest_first.retain(|entry| entry.task.id() != id);
        }
    }

    /// Serves one more, in the place of another where there is no room.
    pub(super) fn serve(&mut self, stream: TcpStream, peer: SocketAddr) {
        let tuned = tcp::tune(&stream)
            .and_then(|()| tcp::set_user_timeout(&stream, self.site.user_timeout))
            .and_then(|()| stream.local_addr());
        let local = match tuned {
            Ok(local) => local,
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "lost after accept"
                );
                return;
            }
        };
        let host = one_host(peer.ip());
        if self.oldest_first.len() >= self.max {
            self.drop_one(host);
        }
        let busy = Busy::default();
        let link = Link {
            peer: Some(tcp::canonical(peer)),
            local: Some(tcp::canonical(local)),
            scope: self.site.external.scope(tcp::scope(peer, local)),
            since: Instant::now(),
            facts: Extensions::new(),
        };
        let requests = Requests {
            site: self.site.clone(),
            link,
            first: AtomicBool::new(true),
            busy: busy.clone(),
            refused: Arc::default(),
        };
        let task = match self.site.front.clone() {
            Some(front) => self.tasks.spawn(through(front, stream, requests)),
            None => self.tasks.spawn(http(stream, requests)),
        };
        self.oldest_first.push_back(Entry { task, host, busy });
    }

    /// Drops the oldest that has no request under way: of this host, so that one host alone pushes out nobody but
    /// itself; else of all. Where all are busy it is the oldest.
    fn drop_one(&mut self, newcomer: IpAddr) {
        let mut entries = self.oldest_first.iter();
        let idle = |entry: &Entry| !entry.busy.is_busy();
        let position = entries
            .clone()
            .position(|entry| entry.host == newcomer && idle(entry))
            .or_else(|| entries.position(idle));
        if let Some(entry) = self.oldest_first.remove(position.unwrap_or(0)) {
            tracing::debug!(host = %entry.host, "too many HTTP connections, dropping one");
            entry.task.abort();
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("site", &self.site)
            .field("len", &self.oldest_first.len())
            .finish_non_exhaustive()
    }
}

/// Serves one connection behind a handshake, which has the time that its first request has.
async fn through(front: Arc<dyn Front>, stream: TcpStream, mut requests: Requests) {
    let since = requests.link.since;
    let opening = async { Ok::<_, Error>(front.open(stream).await) };
    let opened = within(since.checked_add(ACCEPT_TIMEOUT), opening).await;
    match opened.unwrap_or_else(|late| Err((late, None))) {
        Ok((io, facts)) => {
            requests.link.facts = facts;
            http(io, requests).await;
        }
        Err((error, stream)) => {
            requests.site.door.fail(error, requests.link);
            if let Some(stream) = stream {
                hang_up(stream).await;
            }
        }
    }
}

/// Serves one connection to its end, or until it is a WebSocket.
async fn http(io: impl Io, requests: Requests) {
    let deadline = requests.link.since.checked_add(ACCEPT_TIMEOUT);
    let io = match within(deadline, first_head(io)).await {
        Ok(io) => io,
        Err(error) => return failed(&error),
    };
    let refused = requests.refused.clone();
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ACCEPT_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), requests)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        failed(&error);
    }
    // Such a connection is handed over instead of being ended, even if nobody is to have it.
    let refused = lock(&refused).take();
    if let Some(refused) = refused
        && let Ok(connection) = refused.await
    {
        hang_up(TokioIo::new(connection)).await;
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) {
    tracing::debug!(error, "HTTP connection failed");
}

/// The requests of one connection.
struct Requests {
    site: Arc<Site>,
    link: Link,
    first: AtomicBool,
    busy: Busy,
    refused: Refused,
}

/// The connection of a WebSocket that was refused, once its answer is sent.
type Refused = Arc<Mutex<Option<OnUpgrade>>>;

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let guard = self.busy.clone().enter();
        let response = self.respond(request);
        Box::pin(async {
            let response = response.await;
            Ok(response.map(|body| Counted {
                body,
                _guard: guard,
            }))
        })
    }
}

impl Requests {
    fn respond(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response<AnyBody>> + Send + use<> {
        let mut link = self.link.clone();
        // The time since the accept is that of the first request; a later one begins when it is here.
        if !self.first.swap(false, AcqRel) {
            link.since = Instant::now();
        }
        let site = &self.site;
        let path = site.path.as_ref();
        let ours = path.is_none_or(|path| path == request.uri().path());
        let (answer, fallback) = if ours && upgrade::is_wanted(&request) {
            let answer = upgrade::answer(&mut request)
                .and_then(|answer| site.door.admit(&mut request, answer, link.clone()));
            if answer.is_err() {
                *lock(&self.refused) = request.extensions_mut().remove();
            }
            (answer.unwrap_or_else(Response::from), None)
        } else {
            // Nothing else is here either, so nobody keeps what HTTP has taken for the first request.
            let refusal = Refusal::new(StatusCode::NOT_FOUND, "there is nothing here").last();
            let fallback = site.fallback.clone();
            (refusal.into(), fallback)
        };
        async move {
            match fallback {
                Some(fallback) => fallback.answer(request, link).await,
                None => answer.map(any_body),
            }
        }
    }
}

/// How many requests of a connection are under way, to the end of their responses.
#[derive(Clone, Debug, Default)]
struct Busy(Arc<AtomicUsize>);

struct BusyGuard(Busy);

impl Busy {
    fn enter(self) -> BusyGuard {
        self.0.fetch_add(1, AcqRel);
        BusyGuard(self)
    }

    fn is_busy(&self) -> bool {
        self.0.load(Acquire) > 0
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, AcqRel);
    }
}

/// A response's body that counts as a request under way.
struct Counted {
    body: AnyBody,
    _guard: BusyGuard,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
