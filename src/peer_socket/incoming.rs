//! Who comes, and what happens.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::{Stream, stream::BoxStream};
use futures_util::{StreamExt as _, stream};
use tokio::sync::{broadcast, watch};

use super::{PeerSocket, ReadyState, SwarmEvent, roster::Roster, socket::Socket};

/// A stream of the sockets of a swarm: each once, first those that were there when it was asked for.
///
/// Who falls far behind does not see those that have ended since.
pub struct Incoming(BoxStream<'static, PeerSocket>);

/// A stream of what happens in a swarm.
pub struct Events(BoxStream<'static, SwarmEvent>);

struct Subscriber {
    swarm: std::sync::Weak<Roster>,
    there: std::vec::IntoIter<Arc<Socket>>,
    events: broadcast::Receiver<SwarmEvent>,
    ready: watch::Receiver<ReadyState>,
    /// That of the last socket that was seen.
    serial: u64,
}

impl Incoming {
    pub(super) fn new(swarm: Arc<Roster>) -> Self {
        let (there, events) = swarm.subscribe();
        let subscriber = Subscriber {
            there: there.into_iter(),
            events,
            ready: swarm.ready(),
            serial: 0,
            swarm: Arc::downgrade(&swarm),
        };
        let sockets = stream::unfold(subscriber, async |mut subscriber| {
            let socket = subscriber.next().await?;
            Some((socket, subscriber))
        });
        Self(sockets.fuse().boxed())
    }
}

impl Subscriber {
    async fn next(&mut self) -> Option<PeerSocket> {
        loop {
            if let Some(socket) = self.there.next() {
                if socket.serial > self.serial {
                    self.serial = socket.serial;
                    return Some(PeerSocket::new(socket));
                }
                continue;
            }
            match event(&mut self.events, &mut self.ready).await? {
                SwarmEvent::Connected(socket) if socket.shared().serial > self.serial => {
                    self.serial = socket.shared().serial;
                    return Some(socket);
                }
                SwarmEvent::Missed(_) => {
                    let (there, events) = self.swarm.upgrade()?.subscribe();
                    (self.there, self.events) = (there.into_iter(), events);
                }
                _ => {}
            }
        }
    }
}

impl Events {
    pub(super) fn new(swarm: &Arc<Roster>) -> Self {
        let (_, events) = swarm.subscribe();
        let events = stream::unfold((events, swarm.ready()), async |(mut events, mut ready)| {
            let event = event(&mut events, &mut ready).await?;
            Some((event, (events, ready)))
        });
        Self(events.fuse().boxed())
    }
}

/// The next event, until the swarm is closed and there are no more.
pub(super) async fn event(
    events: &mut broadcast::Receiver<SwarmEvent>,
    ready: &mut watch::Receiver<ReadyState>,
) -> Option<SwarmEvent> {
    let received = tokio::select! {
        biased;
        received = events.recv() => received,
        _ = ready.wait_for(|ready| *ready == ReadyState::Closed) => match events.try_recv() {
            Ok(event) => Ok(event),
            Err(broadcast::error::TryRecvError::Lagged(count)) => {
                Err(broadcast::error::RecvError::Lagged(count))
            }
            Err(_) => Err(broadcast::error::RecvError::Closed),
        },
    };
    match received {
        Ok(event) => Some(event),
        Err(broadcast::error::RecvError::Lagged(count)) => Some(SwarmEvent::Missed(count)),
        Err(broadcast::error::RecvError::Closed) => None,
    }
}

impl Stream for Incoming {
    type Item = PeerSocket;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PeerSocket>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Stream for Events {
    type Item = SwarmEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SwarmEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
