//! What all handles of a socket share.

use std::{
    any::Any,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::PeerInfo;
use crate::peer_socket::{
    CloseReason, MAX_CONTENT_TYPE, Malformed, Message, ReadyState, SendError,
    frame::Frame,
    queue::{PushError, Queue, Weight},
};

/// How many messages wait in a socket, in each direction, before who sends has to wait; and how many bytes, where one
/// message alone does not have more.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 256 << 10;

/// What a message costs beside its content.
const ITEM: usize = 64;

/// How long a close waits for a peer that does not read.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(in crate::peer_socket) struct Socket {
    pub(in crate::peer_socket) info: PeerInfo,
    pub(in crate::peer_socket) swarm: Weak<dyn Parent>,
    /// In what order the sockets of a swarm came.
    pub(in crate::peer_socket) serial: u64,
    pub(in crate::peer_socket) incoming: Queue<Frame>,
    pub(in crate::peer_socket) outgoing: Queue<Outgoing>,
    pub(in crate::peer_socket) session: watch::Sender<Option<Value>>,
    state: watch::Sender<State>,
    /// Wakes who writes to the connection.
    work: Arc<Notify>,
    max_message: usize,
    pub(super) is_loopback: bool,
}

/// A swarm, as far as its sockets know of it.
pub(in crate::peer_socket) trait Parent: Send + Sync {
    /// A socket ends, which nobody sees before this is told.
    fn remove(&self, socket: &Arc<Socket>, reason: CloseReason);

    /// What keeps the swarm joined, unless it was left.
    fn joined(&self) -> Option<Arc<dyn Any + Send + Sync>>;
}

#[derive(Clone, Copy)]
struct State {
    ready: ReadyState,
    reason: Option<CloseReason>,
}

/// A message to be sent.
pub(in crate::peer_socket) struct Outgoing(pub(in crate::peer_socket) Frame);

impl Weight for Frame {
    fn weight(&self) -> usize {
        let content_type = self.content_type.as_ref().map_or(0, String::len);
        let content = self.content.len().saturating_add(content_type);
        content.saturating_add(ITEM)
    }
}

impl Weight for Outgoing {
    fn weight(&self) -> usize {
        self.0.weight()
    }
}

impl Socket {
    pub(in crate::peer_socket) fn new(
        info: PeerInfo,
        swarm: Weak<dyn Parent>,
        serial: u64,
        session: Option<Value>,
        work: Arc<Notify>,
        max_message: usize,
        is_loopback: bool,
    ) -> Self {
        let state = State {
            ready: ReadyState::Open,
            reason: None,
        };
        Self {
            info,
            swarm,
            serial,
            incoming: Queue::new(WAITING, WAITING_BYTES),
            outgoing: Queue::new(WAITING, WAITING_BYTES),
            session: watch::Sender::new(session),
            state: watch::Sender::new(state),
            work,
            max_message,
            is_loopback,
        }
    }

    pub(in crate::peer_socket) fn ready_state(&self) -> ReadyState {
        self.state.borrow().ready
    }

    pub(in crate::peer_socket) fn max_message(&self) -> usize {
        self.max_message
    }

    /// Begins to close: what waits to be sent is sent still.
    pub(in crate::peer_socket) fn start_closing(&self) {
        let began = self.state.send_if_modified(|state| {
            let is_open = state.ready < ReadyState::Closing;
            if is_open {
                state.ready = ReadyState::Closing;
            }
            is_open
        });
        if began {
            self.outgoing.close();
            self.incoming.clear();
            self.work.notify_one();
        }
    }

    /// It is over. The first reason counts.
    pub(in crate::peer_socket) fn finish(self: &Arc<Self>, reason: CloseReason) {
        let swarm = self.swarm.upgrade();
        let ended = self.state.send_if_modified(|state| {
            if state.ready == ReadyState::Closed {
                return false;
            }
            // Whoever ended it while we were closing it.
            let closing = state.ready == ReadyState::Closing;
            let reason = if closing { CloseReason::Local } else { reason };
            *state = State {
                ready: ReadyState::Closed,
                reason: Some(reason),
            };
            // Before anybody can see that it is closed: whoever does finds it in its swarm no more.
            if let Some(swarm) = &swarm {
                swarm.remove(self, reason);
            }
            true
        });
        if !ended {
            return;
        }
        match reason {
            CloseReason::Local => self.incoming.clear(),
            _ => self.incoming.close(),
        }
        self.outgoing.clear();
        self.work.notify_one();
    }

    pub(super) fn reason(&self) -> Option<CloseReason> {
        self.state.borrow().reason
    }

    pub(in crate::peer_socket) async fn closed(&self) -> CloseReason {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| state.reason.is_some()).await;
        let ended = ended.map(|state| state.reason);
        ended.ok().flatten().unwrap_or(CloseReason::Local)
    }

    pub(in crate::peer_socket) async fn close(self: &Arc<Self>) {
        self.start_closing();
        if self.is_loopback || timeout(CLOSE_TIMEOUT, self.closed()).await.is_err() {
            self.finish(CloseReason::Local);
        }
    }

    pub(super) fn frame(&self, message: Message) -> Result<Frame, SendError> {
        let frame = message.into_frame();
        let (len, max) = (frame.content.len(), self.max_message);
        if len > max {
            return Err(SendError::TooLong { len, max });
        }
        let content_type = frame.content_type.as_deref().unwrap_or_default();
        match content_type.len() {
            ..=MAX_CONTENT_TYPE => Ok(frame),
            _ => Err(SendError::ContentType),
        }
    }

    /// Takes what is in `pending`, once there is room.
    pub(super) fn poll_push(
        &self,
        pending: &mut Option<Outgoing>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        while let Some(outgoing) = pending.take() {
            let weight = outgoing.weight();
            let room = match self.is_loopback {
                true => self.incoming.poll_room(weight, cx),
                false => self.outgoing.poll_room(weight, cx),
            };
            match room {
                Poll::Pending => {
                    *pending = Some(outgoing);
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(SendError::Closed)),
                Poll::Ready(Ok(())) => {}
            }
            let pushed = match self.is_loopback {
                true => self
                    .incoming
                    .try_push(outgoing.0)
                    .map_err(|e| e.map(Outgoing)),
                false => self.outgoing.try_push(outgoing),
            };
            match pushed {
                Ok(()) => self.work.notify_one(),
                Err(PushError::Closed) => return Poll::Ready(Err(SendError::Closed)),
                Err(PushError::Full(outgoing)) => *pending = Some(outgoing),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let target = self.outgoing.pushed();
        let done = ready!(self.outgoing.poll_done(target, cx));
        Poll::Ready(done.map_err(|_| SendError::Closed))
    }

    pub(in crate::peer_socket) fn poll_message(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Malformed>>> {
        let frame = ready!(self.incoming.poll_pop(cx));
        let message = frame.map(Message::from_frame);
        if let Some(Err(malformed)) = message {
            self.finish(CloseReason::Protocol(malformed));
            self.incoming.clear();
        }
        Poll::Ready(message)
    }
}
