//! A new connection of a peer, in the place of the one before.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    link,
    peer::{Link, Peer},
    tasks::Tasks,
};
use crate::Connection;

/// Who made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialed,
    Accepted,
}

/// Puts a connection in the place of the one that there was, once that has ended: the last that finished its handshake stays.
pub(super) async fn install(peer: Arc<Peer>, connection: Connection, side: Side, tasks: &Tasks) {
    let mut link = peer.link.lock().await;
    if let Some(old) = link.take() {
        old.cancel.cancel();
        old.ended.cancelled().await;
    }
    let cancel = CancellationToken::new();
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    *link = Some(Link {
        cancel: cancel.clone(),
        ended,
    });
    peer.metrics.established.increment(1);
    if side == Side::Accepted {
        peer.metrics.established_inbound.increment(1);
    }
    // Before the first byte is read, so that nothing is heard too early.
    peer.connected();
    tasks.spawn(run(peer.clone(), connection, cancel, guard));
}

async fn run(
    peer: Arc<Peer>,
    connection: Connection,
    cancel: CancellationToken,
    _ended: DropGuard,
) {
    let span = connection.span().clone();
    let ended = link::run(&peer, connection, &cancel).await;
    peer.mux().disconnected();
    span.in_scope(|| tracing::debug!(peer = %peer.id, reason = %ended, "connection ended"));
}
