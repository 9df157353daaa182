//! The streams to the peers.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    ops::Bound,
    task::{Context, Poll},
};

use futures_util::StreamExt as _;
use tower_multiserver_core::PeerId;

use super::{super::Outgoing, Receiver, Sender, Streams};

/// A stream to each peer.
pub(super) struct Links<S> {
    streams: S,
    open: BTreeMap<PeerId, (Sender, Receiver)>,
    /// Whose message was the last; the others are asked first, so that none waits for ever.
    last: Option<PeerId>,
}

impl<S: Streams> Links<S> {
    pub(super) fn new(streams: S) -> Self {
        Self {
            streams,
            open: BTreeMap::new(),
            last: None,
        }
    }

    /// Closes what leads to others than `peers`, and opens what is missing.
    pub(super) fn adjust(&mut self, peers: &BTreeSet<PeerId>) {
        self.open.retain(|peer, _| peers.contains(peer));
        for peer in peers {
            if self.open.contains_key(peer) {
                continue;
            }
            match self.streams.open(*peer) {
                Ok(link) => {
                    self.open.insert(*peer, link);
                }
                Err(error) => tracing::warn!(%peer, %error, "no stream for discovery"),
            }
        }
    }

    pub(super) fn send(&mut self, outgoing: Vec<Outgoing>) {
        for Outgoing { to, message } in outgoing {
            // Without a stream there is none to tell; it is told when there is.
            if let Some((send, _)) = self.open.get_mut(&to) {
                send(message.encode());
            }
        }
    }

    /// The next message, of whichever peer. It is cancel safe.
    pub(super) async fn next(&mut self) -> (PeerId, Vec<u8>) {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(PeerId, Vec<u8>)> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let order = self.open.range((after, Bound::Unbounded));
        let order: Vec<_> = order.chain(&self.open).map(|(peer, _)| *peer).collect();
        // Those after the last stand in it twice.
        for peer in order.iter().take(self.open.len()) {
            let Some((_, receiver)) = self.open.get_mut(peer) else {
                continue;
            };
            match receiver.poll_next_unpin(cx) {
                Poll::Ready(Some(message)) => {
                    self.last = Some(*peer);
                    return Poll::Ready((*peer, message));
                }
                // It is opened again, if it can be, when all are told the next time.
                Poll::Ready(None) => {
                    self.open.remove(peer);
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}
