//! All streams of one peer over one connection at a time: what may be written next, and what may be let in. Without IO.

mod inbox;
mod outbox;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    MAX_CONTROL_FRAMES, MAX_MESSAGE_LEN, MAX_NAME_LEN, MAX_STREAMS, OpenError, Priority,
    ResponsePolicy, SendError, Sent, StreamId, TokenBucket, Version,
    frame::{FrameType, Header, RequestId},
    limits::ValidLimits,
    policy::Policies,
    ring::Ring,
    violation::Violation,
};

pub(super) use inbox::{Inbound, Verdict};
pub(super) use outbox::{OutFrame, Outbound};

use self::outbox::Ready;

/// All streams of one peer over one connection at a time.
pub(super) struct Mux {
    version: Version,
    streams: HashMap<StreamId, Channel>,
    connected: bool,
    /// What the peer must be told of our streams, the latest of each.
    notices: BTreeMap<StreamId, Notice>,
    /// The streams that the peer has opened on this connection, whether we have them or not.
    remote_open: HashSet<StreamId>,
    /// How many streams the peer has opened and closed on this connection.
    control_frames: u32,
    ready: Ready,
    policies: Policies,
    random: fastrand::Rng,
}

/// One stream.
struct Channel {
    name: Arc<str>,
    priority: Priority,
    max_message: usize,
    outgoing: Ring<Outbound>,
    incoming: Ring<Inbound>,
    messages: TokenBucket,
    bytes: TokenBucket,
    /// Who waits for a message.
    reader: Option<Waker>,
    /// Who waits for room, or until all has been taken to be written.
    writer: Option<Waker>,
}

/// What the peer must be told of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    Open,
    Close,
}

/// Past so many streams they are not opened a second time: it counts against the limit of the peer.
const MAX_REPEATED: usize = 1000;

impl Mux {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            streams: HashMap::new(),
            connected: false,
            notices: BTreeMap::new(),
            remote_open: HashSet::new(),
            control_frames: 0,
            ready: Ready::default(),
            policies: Policies::default(),
            random: fastrand::Rng::new(),
        }
    }

    pub(super) fn open(
        &mut self,
        id: StreamId,
        name: Arc<str>,
        priority: Priority,
        limits: ValidLimits,
        now: Instant,
    ) -> Result<(), OpenError> {
        if self.streams.contains_key(&id) {
            return Err(OpenError::Exists);
        }
        if self.streams.len() >= MAX_STREAMS {
            return Err(OpenError::TooManyStreams);
        }
        let channel = Channel {
            name,
            priority,
            max_message: limits.max_message,
            outgoing: Ring::new(limits.outgoing),
            incoming: Ring::new(limits.incoming),
            messages: TokenBucket::full(limits.messages, now),
            bytes: TokenBucket::full(limits.bytes, now),
            reader: None,
            writer: None,
        };
        self.streams.insert(id, channel);
        if self.connected {
            self.notices.insert(id, Notice::Open);
        }
        Ok(())
    }

    /// Closes a stream and forgets what waits in it.
    pub(super) fn close(&mut self, id: &StreamId) {
        let Some(channel) = self.streams.remove(id) else {
            return;
        };
        self.ready.remove(channel.priority, id);
        self.policies.forget(id);
        // The end of the last stream is the end of the connection.
        if self.connected && !self.streams.is_empty() {
            self.notices.insert(*id, Notice::Close);
        }
        channel.wake();
    }

    /// Closes all streams, for good.
    pub(super) fn close_all(&mut self) {
        for (_, channel) in self.streams.drain() {
            channel.wake();
        }
        self.disconnected();
    }

    /// Changes the limits of a stream, if there is one. The oldest messages go where there is no room for all.
    pub(super) fn update(&mut self, id: &StreamId, limits: ValidLimits, now: Instant) -> bool {
        let Some(channel) = self.streams.get_mut(id) else {
            return false;
        };
        channel.max_message = limits.max_message;
        channel.outgoing.resize(limits.outgoing);
        channel.incoming.resize(limits.incoming);
        channel.messages.set(limits.messages, now);
        channel.bytes.set(limits.bytes, now);
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// A new connection takes the place of the last: the peer must be told of every stream.
    pub(super) fn connected(&mut self) {
        self.disconnected();
        self.connected = true;
        self.announce();
    }

    /// Every stream waits for the next connection.
    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.notices.clear();
        self.remote_open.clear();
        self.control_frames = 0;
        self.ready.clear();
    }

    /// Tells the peer of every stream once more: a host of [`Version::V2`] forgets what it hears in the first moment.
    pub(super) fn repeat_opens(&mut self) {
        if self.connected && self.streams.len() <= MAX_REPEATED {
            self.announce();
        }
    }

    fn announce(&mut self) {
        let opens = self.streams.keys().map(|id| (*id, Notice::Open));
        self.notices.extend(opens);
    }

    /// Whether a stream's messages may be written: the peer has opened it too.
    fn is_on(&self, id: &StreamId) -> bool {
        self.remote_open.contains(id)
    }
}

impl Channel {
    fn wake(self) {
        self.reader
            .into_iter()
            .chain(self.writer)
            .for_each(Waker::wake);
    }
}
