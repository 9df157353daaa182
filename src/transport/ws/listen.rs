//! Where the sockets of a `ws` listener come from.

use std::{
    fmt, io,
    net::IpAddr,
    task::{Context, Poll},
};

use tokio::{net::TcpListener, time::Instant};
use tower_multiserver_core::Listener;

use super::{
    door::{Sockets, WsSocket},
    serve::Connections,
};

/// A listening [`Ws`](super::Ws): a server of its own, or a service that another one hosts.
///
/// Dropping it ends the HTTP connections of its own server, requests of the fallback service included; WebSockets
/// go on.
pub struct WsListener {
    sockets: Sockets,
    server: Option<(TcpListener, Connections)>,
}

impl WsListener {
    pub(super) fn hosted(sockets: Sockets) -> Self {
        Self {
            sockets,
            server: None,
        }
    }

    pub(super) fn serving(
        sockets: Sockets,
        listener: TcpListener,
        connections: Connections,
    ) -> Self {
        Self {
            sockets,
            server: Some((listener, connections)),
        }
    }
}

impl Listener for WsListener {
    type Raw = WsSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<WsSocket>>> {
        if let Poll::Ready(socket) = self.sockets.poll_recv(cx) {
            return Poll::Ready(socket.map(|mut socket| {
                socket.waited = Instant::now().saturating_duration_since(socket.link.since);
                Ok(socket)
            }));
        }
        let Some((listener, connections)) = &mut self.server else {
            return Poll::Pending;
        };
        connections.poll_ended(cx);
        while let Poll::Ready(accepted) = listener.poll_accept(cx) {
            match accepted {
                Ok((stream, peer)) => connections.serve(stream, peer),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Pending
    }

    fn peer_ip(socket: &WsSocket) -> Option<IpAddr> {
        Some(socket.link.peer?.ip())
    }
}

impl fmt::Debug for WsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsListener")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
