//! An open server.

use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::{StreamExt as _, stream::SelectAll};
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tower_multiserver_core::{Address, BoxError, Connection, Error, MultiAddress, Scope, Shutdown};
use tower_service::Service;
use tracing::Instrument as _;

use super::Connections;

/// An open server of a [`MultiServer`](super::MultiServer): a [`Stream`] of connections, and of those that failed.
///
/// Dropping it closes the sockets and aborts unfinished handshakes.
pub struct Listening {
    addresses: Vec<(Scope, Address)>,
    connections: SelectAll<Connections>,
    shutdown: Shutdown,
}

impl Listening {
    pub(super) fn new(
        addresses: Vec<(Scope, Address)>,
        connections: SelectAll<Connections>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            addresses,
            connections,
            shutdown,
        }
    }

    /// The addresses to give to peers of this scope, in the order in which they were asked for. `None` if there are
    /// none.
    pub fn addresses(&self, scope: Scope) -> Option<MultiAddress> {
        let addresses = self.addresses.iter();
        addresses
            .filter(|(of, _)| *of == scope)
            .map(|(_, address)| address.clone())
            .fold(None, |all: Option<MultiAddress>, address| match all {
                None => Some(address.into()),
                Some(mut all) => {
                    all.push(address);
                    Some(all)
                }
            })
    }

    /// All addresses with their scopes.
    pub fn all_addresses(&self) -> &[(Scope, Address)] {
        &self.addresses
    }

    /// A handle that closes this server gracefully. Keep taking connections until there are none, or drop the server:
    /// [`Shutdown::drain`] waits for unfinished handshakes too.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// The next connection, or one that failed. `None` once closed and drained. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Connection, Error>> {
        self.connections.next().await
    }

    /// Runs `handler` in a task of its own for each connection until `signal`, then waits for the last one.
    ///
    /// A handler runs in the [span](Connection::span) of its connection. Connections that failed, and handlers that did,
    /// are traced at debug level, and panics as warnings. Dropping the future closes the server and aborts every handler.
    pub async fn serve<H>(mut self, handler: H, signal: impl Future<Output = ()>)
    where
        H: Service<Connection, Response = (), Error: Into<BoxError>, Future: Send>,
        H: Clone + Send + 'static,
    {
        let mut handlers = JoinSet::new();
        let mut signal = pin!(signal);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                () = &mut signal, if open => {
                    open = false;
                    self.shutdown.start();
                }
                Some(ended) = handlers.join_next() => tell(ended),
                connection = self.connections.next() => match connection {
                    Some(Ok(connection)) => {
                        let span = connection.span().clone();
                        let handle = handler.clone().oneshot(connection);
                        handlers.spawn(handled(handle).instrument(span));
                    }
                    Some(Err(_)) => {} // Traced where it was accepted.
                    None => break,
                },
            }
        }
        while let Some(ended) = handlers.join_next().await {
            tell(ended);
        }
    }
}

async fn handled<E: Into<BoxError>>(handle: impl Future<Output = Result<(), E>>) {
    if let Err(error) = handle.await {
        let error: BoxError = error.into();
        tracing::debug!(error = &*error as &dyn std::error::Error, "handler failed");
    }
}

fn tell(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::warn!(error = &error as &dyn std::error::Error, "handler panicked");
    }
}

impl Stream for Listening {
    type Item = Result<Connection, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
