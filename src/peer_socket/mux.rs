//! Many channels over one connection, on the wire of the npm package `protomux` 3. Without IO.
//!
//! Each end numbers its own channels from one. A channel is open when both have opened one of the same protocol and id.
//!
//! | frame | meaning |
//! |---|---|
//! | `00 01 NUMBER PROTOCOL ID HANDSHAKE` | opens a channel of the sender's |
//! | `00 02 NUMBER` | refuses that channel of the receiver's |
//! | `00 03 NUMBER` | closes that channel of the sender's |
//! | `00 00 NUMBER LENGTH MESSAGE … 00 NUMBER …` | several messages in one frame |
//! | `NUMBER TYPE PAYLOAD` | a message on that channel of the sender's |

use std::collections::{HashMap, VecDeque};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    Malformed,
    compact::{put_bytes, put_uint, take_bytes, take_uint},
};

/// How many channels either end may have at once. Each costs some hundred bytes.
pub(super) const MAX_CHANNELS: usize = 1024;

/// Past so many frames that answer the peer and are not written yet, nothing is read. Two peers that open and close all
/// their channels at once stay below, so they never wait for each other.
const MAX_ANSWERS: usize = 2 * MAX_CHANNELS;

/// The length of a name of a protocol, or of an id. Ours are shorter.
const MAX_NAME: usize = 256;

/// The number of a channel of ours.
pub(super) type Number = u64;

pub(super) struct Mux {
    protocol: &'static str,
    /// What our channels are, by number less one.
    ours: Vec<Ours>,
    /// What the peer's channels are, by number less one.
    theirs: Vec<Theirs>,
    /// Ours that are open or opening.
    by_id: HashMap<[u8; 32], Number>,
    /// Ours that we closed before the peer had answered, the oldest first.
    unanswered: VecDeque<Number>,
    /// Frames to be written, in the order in which they were made: the peer must hear of channels in the order of their
    /// numbers.
    waiting: VecDeque<Waiting>,
    /// How many of them answer the peer.
    answers: usize,
    /// What is left of the frame that is being read.
    input: Input,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    Free,
    /// The peer has not answered yet.
    Opening([u8; 32]),
    Open {
        id: [u8; 32],
        their: Number,
    },
    /// We closed it before the peer had answered: the number is free once it does.
    ClosedUnanswered([u8; 32]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Closed,
    Open { our: Number },
}

struct Waiting {
    frame: Bytes,
    is_answer: bool,
}

#[derive(Default)]
enum Input {
    #[default]
    Done,
    Single(Bytes),
    Batch {
        channel: Number,
        rest: Bytes,
    },
}

/// What the peer did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It opened a channel that we are opening too: it is open.
    Opened { our: Number, handshake: Bytes },
    /// It opened a channel that we have not. It is answered with [`Mux::accept`] or [`Mux::reject`], before the next event.
    Requested {
        their: Number,
        id: [u8; 32],
        handshake: Bytes,
    },
    /// It does not want a channel that we were opening.
    Rejected { our: Number },
    /// It closed a channel.
    Closed { our: Number },
    /// It sent a message.
    Message {
        our: Number,
        kind: u64,
        payload: Bytes,
    },
}

impl Mux {
    pub(super) fn new(protocol: &'static str) -> Self {
        Self {
            protocol,
            ours: Vec::new(),
            theirs: Vec::new(),
            by_id: HashMap::new(),
            unanswered: VecDeque::new(),
            waiting: VecDeque::new(),
            answers: 0,
            input: Input::Done,
        }
    }

    /// Opens a channel that is not open or opening yet: its number, and the frame to be written. `None` when there are too
    /// many.
    pub(super) fn open(&mut self, id: [u8; 32], handshake: &[u8]) -> Option<(Number, Bytes)> {
        debug_assert!(!self.by_id.contains_key(&id), "there is a channel already");
        let our = self.number(Ours::Opening(id))?;
        self.by_id.insert(id, our);
        Some((our, self.open_frame(our, id, handshake)))
    }

    /// Opens the channel that the peer requested. As [`open`](Self::open), and it is open.
    pub(super) fn accept(
        &mut self,
        their: Number,
        id: [u8; 32],
        handshake: &[u8],
    ) -> Option<(Number, Bytes)> {
        debug_assert!(!self.by_id.contains_key(&id), "there is a channel already");
        let our = self.number(Ours::Open { id, their })?;
        self.by_id.insert(id, our);
        self.set_theirs(their, Theirs::Open { our });
        Some((our, self.open_frame(our, id, handshake)))
    }

    /// Refuses the channel that the peer requested.
    pub(super) fn reject(&mut self, their: Number) {
        self.answer(control(2, their));
    }

    /// Closes a channel: the frame to be written, unless it was closed already.
    pub(super) fn close(&mut self, our: Number) -> Option<Bytes> {
        let slot = self.ours.get_mut(index(our)?)?;
        match *slot {
            Ours::Opening(id) => {
                *slot = Ours::ClosedUnanswered(id);
                self.unanswered.push_back(our);
                self.by_id.remove(&id);
            }
            Ours::Open { id, their } => {
                *slot = Ours::Free;
                self.by_id.remove(&id);
                self.set_theirs(their, Theirs::Closed);
            }
            Ours::Free | Ours::ClosedUnanswered(_) => return None,
        }
        Some(control(3, our))
    }

    /// Has a frame written that we are the cause of.
    pub(super) fn say(&mut self, frame: Bytes) {
        let is_answer = false;
        self.waiting.push_back(Waiting { frame, is_answer });
    }

    /// Has a frame written that the peer is the cause of.
    pub(super) fn answer(&mut self, frame: Bytes) {
        let is_answer = true;
        self.waiting.push_back(Waiting { frame, is_answer });
        self.answers = self.answers.saturating_add(1);
    }

    /// A frame to be written, before any message or close.
    pub(super) fn next_frame(&mut self) -> Option<Bytes> {
        let Waiting { frame, is_answer } = self.waiting.pop_front()?;
        self.answers = self.answers.saturating_sub(usize::from(is_answer));
        Some(frame)
    }

    /// Whether more may be read: the answers do not pile up.
    pub(super) fn may_read(&self) -> bool {
        self.answers < MAX_ANSWERS
    }

    /// Takes a frame, once the events of the last are all out.
    pub(super) fn receive(&mut self, frame: Bytes) {
        debug_assert!(matches!(self.input, Input::Done), "events are left");
        // An empty one only keeps the connection alive.
        if !frame.is_empty() {
            self.input = Input::Single(frame);
        }
    }

    /// What the frame tells, one thing at a time: there is no list of what a batch holds.
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, Malformed> {
        loop {
            let (channel, mut message, in_batch) = match std::mem::take(&mut self.input) {
                Input::Done => return Ok(None),
                Input::Single(mut frame) => (take_uint(&mut frame)?, frame, false),
                Input::Batch { rest, .. } if rest.is_empty() => continue,
                Input::Batch { channel, mut rest } => {
                    let message = take_bytes(&mut rest)?;
                    if message.is_empty() {
                        let channel = take_uint(&mut rest)?;
                        self.input = Input::Batch { channel, rest };
                        continue;
                    }
                    self.input = Input::Batch { channel, rest };
                    (channel, message, true)
                }
            };
            let kind = take_uint(&mut message)?;
            let event = match (channel, kind) {
                (0, 0) if in_batch => return Err(Malformed::Frame),
                (0, 0) => {
                    let channel = take_uint(&mut message)?;
                    let rest = message;
                    self.input = Input::Batch { channel, rest };
                    None
                }
                (0, 1) => self.opened(message)?,
                (0, 2) => Some(self.rejected(take_uint(&mut message)?)?),
                (0, 3) => self.closed(take_uint(&mut message)?),
                (0, _) => None,
                (their, kind) => self.open_to(their).map(|our| Event::Message {
                    our,
                    kind,
                    payload: message,
                }),
            };
            match event {
                // Of a closed channel: it was on its way.
                Some(Event::Rejected { our: 0 }) | None => {}
                event => return Ok(event),
            }
        }
    }

    fn opened(&mut self, mut message: Bytes) -> Result<Option<Event>, Malformed> {
        let their = take_uint(&mut message)?;
        let protocol = take_bytes(&mut message)?;
        let id = take_bytes(&mut message)?;
        if protocol.len() > MAX_NAME || id.len() > MAX_NAME {
            return Err(Malformed::Channel);
        }
        let Some(index) = index(their) else {
            self.reject(0);
            return Ok(None);
        };
        match self.theirs.get(index) {
            Some(Theirs::Closed) => {}
            // It may go on by one.
            None if index == self.theirs.len() && index < MAX_CHANNELS => {
                self.theirs.push(Theirs::Closed);
            }
            _ => return Err(Malformed::Channel),
        }
        let id = match <[u8; 32]>::try_from(&id[..]) {
            Ok(id) if protocol == self.protocol => id,
            _ => {
                self.reject(their);
                return Ok(None);
            }
        };
        // It answers the oldest of ours first.
        let oldest = self
            .unanswered
            .iter()
            .position(|our| self.state(*our) == Some(&Ours::ClosedUnanswered(id)));
        if let Some(our) = oldest.and_then(|at| self.unanswered.remove(at)) {
            self.set_ours(our, Ours::Free);
            // The peer hears our close and closes it.
            return Ok(None);
        }
        let handshake = message;
        let Some(&our) = self.by_id.get(&id) else {
            return Ok(Some(Event::Requested {
                their,
                id,
                handshake,
            }));
        };
        if !matches!(self.state(our), Some(Ours::Opening(_))) {
            // A second one of the same id.
            self.reject(their);
            return Ok(None);
        }
        self.set_ours(our, Ours::Open { id, their });
        self.set_theirs(their, Theirs::Open { our });
        Ok(Some(Event::Opened { our, handshake }))
    }

    fn rejected(&mut self, our: Number) -> Result<Event, Malformed> {
        let slot = index(our).and_then(|index| self.ours.get_mut(index));
        match slot {
            Some(slot @ Ours::ClosedUnanswered(_)) => {
                *slot = Ours::Free;
                self.unanswered.retain(|other| *other != our);
                Ok(Event::Rejected { our: 0 })
            }
            Some(slot @ Ours::Opening(_)) => {
                if let Ours::Opening(id) = *slot {
                    self.by_id.remove(&id);
                }
                *slot = Ours::Free;
                Ok(Event::Rejected { our })
            }
            _ => Err(Malformed::Channel),
        }
    }

    fn closed(&mut self, their: Number) -> Option<Event> {
        let our = self.open_to(their)?;
        self.set_theirs(their, Theirs::Closed);
        if let Some(&Ours::Open { id, .. }) = self.state(our) {
            self.by_id.remove(&id);
        }
        self.set_ours(our, Ours::Free);
        Some(Event::Closed { our })
    }

    /// That of our channels to which this one of the peer's is open.
    fn open_to(&self, their: Number) -> Option<Number> {
        match self.theirs.get(index(their)?)? {
            Theirs::Open { our } => Some(*our),
            Theirs::Closed => None,
        }
    }

    fn state(&self, our: Number) -> Option<&Ours> {
        self.ours.get(index(our)?)
    }

    fn set_ours(&mut self, our: Number, state: Ours) {
        if let Some(slot) = index(our).and_then(|index| self.ours.get_mut(index)) {
            *slot = state;
        }
    }

    fn set_theirs(&mut self, their: Number, state: Theirs) {
        if let Some(slot) = index(their).and_then(|index| self.theirs.get_mut(index)) {
            *slot = state;
        }
    }

    fn number(&mut self, state: Ours) -> Option<Number> {
        // Numbered from one.
        let mut numbered = (1..).zip(&mut self.ours);
        if let Some((our, slot)) = numbered.find(|(_, ours)| **ours == Ours::Free) {
            *slot = state;
            return Some(our);
        }
        if self.ours.len() >= MAX_CHANNELS {
            return None;
        }
        self.ours.push(state);
        Some(self.ours.len() as Number)
    }

    fn open_frame(&self, our: Number, id: [u8; 32], handshake: &[u8]) -> Bytes {
        let mut frame = BytesMut::new();
        frame.put_slice(&[0, 1]);
        put_uint(&mut frame, our);
        put_bytes(&mut frame, self.protocol.as_bytes());
        put_bytes(&mut frame, &id);
        frame.put_slice(handshake);
        frame.freeze()
    }
}

/// What stands in front of a message on a channel of ours.
pub(super) fn put_head(out: &mut BytesMut, our: Number, kind: u64) {
    put_uint(out, our);
    put_uint(out, kind);
}

/// The frame of a message on a channel of ours.
#[cfg(any(test, fuzzing))]
pub(super) fn message(our: Number, kind: u64, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    put_head(&mut frame, our, kind);
    frame.extend_from_slice(payload);
    frame.freeze()
}

fn control(kind: u8, number: Number) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, kind]);
    put_uint(&mut frame, number);
    frame.freeze()
}

/// Where a channel of this number is. None is of number zero.
fn index(number: Number) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests;
