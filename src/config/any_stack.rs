//! Stacks whose types are erased, so that layers can be laid over them one by one as an address says.

use std::{
    io,
    net::IpAddr,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{
    ServiceExt as _,
    util::{BoxCloneSyncService, service_fn},
};
use tower_multiserver_core::{
    Accept, Address, Bound, BoxError, Connection, Error, Io, Listen, Listener,
};
use tower_service::Service;

/// A stack of any type. It is a stack itself.
#[derive(Clone, Debug)]
pub(super) struct AnyStack {
    dial: BoxCloneSyncService<Address, Connection, Error>,
    listen: BoxCloneSyncService<Listen, Bound<AnyListener>, Error>,
}

/// A listener of any type, and the stack that finishes what it yields.
pub(super) struct AnyListener(Box<dyn Sockets>);

/// A socket before any handshake.
pub(super) struct AnySocket {
    peer: Option<IpAddr>,
    accept: AcceptFn,
}

type AcceptFn = Box<dyn FnOnce(Option<Instant>) -> Accepting + Send>;
pub(super) type Accepting = BoxFuture<'static, Result<Connection, Error>>;

/// What a [`Listener`] can do when its type is erased.
trait Sockets: Send + Unpin {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<AnySocket>>>;
}

struct Typed<S, L> {
    stack: S,
    listener: L,
}

impl AnyStack {
    /// Erases the type of `stack`.
    pub(super) fn new<S, L, I, J>(stack: S) -> Self
    where
        S: Service<
                Address,
                Response = Connection<I>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        S: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send + 'static>,
        S: Service<
                Accept<L::Raw>,
                Response = Connection<J>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        S: Clone + Send + Sync + Unpin + 'static,
        L: Listener,
        I: Io,
        J: Io,
    {
        let dialer = stack.clone();
        let dial = service_fn(move |address: Address| {
            let dial = dialer.clone().oneshot(address);
            async { dial.await.map(Connection::boxed).map_err(into_error) }
        });
        let listen = service_fn(move |listen: Listen| {
            let stack = stack.clone();
            async {
                let bound = stack.clone().oneshot(listen).await.map_err(into_error)?;
                let listener = bound.listener;
                Ok(Bound {
                    listener: AnyListener(Box::new(Typed { stack, listener })),
                    addresses: bound.addresses,
                })
            }
        });
        Self {
            dial: BoxCloneSyncService::new(dial),
            listen: BoxCloneSyncService::new(listen),
        }
    }
}

impl AnySocket {
    /// Finishes the connection, through the stack of its listener.
    pub(super) fn finish(self, deadline: Option<Instant>) -> Accepting {
        (self.accept)(deadline)
    }
}

fn into_error(error: impl Into<BoxError>) -> Error {
    error.into().into()
}

impl<S, L, J> Sockets for Typed<S, L>
where
    S: Service<Accept<L::Raw>, Response = Connection<J>, Error: Into<BoxError>>,
    S: Clone + Send + Unpin + 'static,
    S::Future: Send,
    L: Listener,
    J: Io,
{
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<AnySocket>>> {
        self.listener.poll_accept(cx).map(|accepted| {
            Some(accepted?.map(|raw| {
                let peer = L::peer_ip(&raw);
                let stack = self.stack.clone();
                let accept = move |deadline| -> Accepting {
                    let accept = stack.oneshot(Accept { raw, deadline });
                    Box::pin(async { accept.await.map(Connection::boxed).map_err(into_error) })
                };
                AnySocket {
                    peer,
                    accept: Box::new(accept),
                }
            }))
        })
    }
}

impl Listener for AnyListener {
    type Raw = AnySocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<AnySocket>>> {
        self.0.poll_accept(cx)
    }

    fn peer_ip(raw: &AnySocket) -> Option<IpAddr> {
        raw.peer
    }
}

impl Service<Address> for AnyStack {
    type Response = Connection;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Connection, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.dial.poll_ready(cx)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        self.dial.call(address)
    }
}

impl Service<Listen> for AnyStack {
    type Response = Bound<AnyListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Bound<AnyListener>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.listen.poll_ready(cx)
    }

    fn call(&mut self, listen: Listen) -> Self::Future {
        self.listen.call(listen)
    }
}

/// The socket knows its stack.
impl Service<Accept<AnySocket>> for AnyStack {
    type Response = Connection;
    type Error = Error;
    type Future = Accepting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<AnySocket>) -> Self::Future {
        raw.finish(deadline)
    }
}
