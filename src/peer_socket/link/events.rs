//! What a peer does on the channels of a connection, and which channels there are.

use std::sync::{Arc, atomic::Ordering};

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::sync::watch;

use super::{Channel, Channels, MESSAGE, SESSION_DATA, Shared};
use crate::peer_socket::{
    CloseReason, Malformed, PeerSocket, SwarmEvent,
    compact::{put_bytes, take_bytes},
    frame::Frame,
    mux::{Event, Number},
    roster::Roster,
    session_data,
    socket::Socket,
};

impl Shared<'_> {
    /// What an event brings to a socket.
    pub(super) fn handle(
        &self,
        channels: &mut Channels,
        event: Event,
    ) -> Option<(Arc<Socket>, Frame)> {
        match event {
            Event::Opened { our, handshake } => self.opened(channels, our, handshake),
            Event::Requested {
                their,
                id,
                handshake,
            } => {
                self.requested(channels, their, id, handshake);
            }
            Event::Rejected { our } => {
                self.remove(channels, our);
            }
            Event::Closed { our } => {
                let socket = self
                    .remove(channels, our)
                    .and_then(|channel| channel.socket);
                if let Some(socket) = socket {
                    socket.finish(CloseReason::Remote);
                }
            }
            Event::Message { our, kind, payload } => {
                let channel = channels.by_number.get(&our)?;
                let socket = channel.socket.clone()?;
                let result = match kind {
                    MESSAGE => self.message(payload).map(Some),
                    SESSION_DATA => channel.session_data(&socket, payload).map(|()| None),
                    _ => Ok(None),
                };
                match result {
                    Ok(frame) => return Some((socket, frame?)),
                    Err(malformed) => self.violated(channels, our, malformed),
                }
            }
        }
        None
    }

    fn message(&self, payload: Bytes) -> Result<Frame, Malformed> {
        let mut frame = Frame::decode(payload)?;
        if frame.content.len() > self.home.options.max_message {
            return Err(Malformed::TooLong);
        }
        // It may wait long, and should not hold on to all that came with it.
        frame.content = Bytes::copy_from_slice(&frame.content);
        Ok(frame)
    }

    fn opened(&self, channels: &mut Channels, our: Number, handshake: Bytes) {
        match read_handshake(handshake) {
            Ok(session) => self.connect(channels, our, session),
            Err(malformed) => self.violated(channels, our, malformed),
        }
    }

    fn requested(&self, channels: &mut Channels, their: Number, id: [u8; 32], handshake: Bytes) {
        let swarm = channels.ids.get(&id).filter(|swarm| !swarm.is_left());
        let (Some(swarm), Ok(session)) = (swarm.cloned(), read_handshake(handshake)) else {
            channels.mux.reject(their);
            return;
        };
        let mut ours = swarm.session.subscribe();
        let handshake = write_handshake(&ours.borrow_and_update());
        let Some((our, open)) = channels.mux.accept(their, id, &handshake) else {
            channels.mux.reject(their);
            return;
        };
        channels.mux.answer(open);
        self.insert(channels, our, swarm, ours);
        self.connect(channels, our, session);
    }

    /// A channel is open.
    fn connect(&self, channels: &mut Channels, our: Number, session: Option<Value>) {
        if let Some(channel) = channels.by_number.get_mut(&our) {
            let work = self.entry.work.clone();
            channel.socket = Some(channel.swarm.add(self.info, session, work));
            self.entry.work.notify_one();
        }
    }

    /// The peer broke the rules on a channel, which costs the channel.
    fn violated(&self, channels: &mut Channels, our: Number, malformed: Malformed) {
        if let Some(close) = channels.mux.close(our) {
            channels.mux.answer(close);
        }
        let socket = self
            .remove(channels, our)
            .and_then(|channel| channel.socket);
        if let Some(socket) = socket {
            socket.finish(CloseReason::Protocol(malformed));
        }
        self.entry.work.notify_one();
    }

    fn insert(
        &self,
        channels: &mut Channels,
        our: Number,
        swarm: Arc<Roster>,
        session: watch::Receiver<Option<Bytes>>,
    ) {
        channels.unwanted.remove(&swarm.topic);
        channels.numbers.insert(swarm.topic, our);
        let channel = Channel {
            swarm,
            session,
            socket: None,
        };
        channels.by_number.insert(our, channel);
        self.count(channels);
    }

    /// Forgets a channel that is closed, and opens it no more by itself.
    pub(super) fn remove(&self, channels: &mut Channels, our: Number) -> Option<Channel> {
        let channel = channels.by_number.remove(&our)?;
        let swarm = &channel.swarm;
        channels.numbers.remove(&swarm.topic);
        channels.unwanted.insert(swarm.topic, swarm.generation);
        // It may have been joined anew.
        channels.version = None;
        self.count(channels);
        Some(channel)
    }

    fn count(&self, channels: &Channels) {
        let count = channels.by_number.len();
        self.entry.channels.store(count, Ordering::Release);
    }

    /// Opens channels of swarms that were joined, and closes those of swarms that were left without waiting.
    pub(super) fn refresh(&self, channels: &mut Channels) {
        let Some(swarms) = self.home.swarms_since(&mut channels.version) else {
            return;
        };
        channels.ids.clear();
        channels.unwanted.retain(|topic, _| {
            let mut topics = swarms.iter().map(|swarm| swarm.topic);
            topics.any(|other| other == *topic)
        });
        for swarm in swarms {
            let id = swarm.topic.channel_id(&self.handshake_hash);
            channels.ids.insert(id, swarm.clone());
            let generation = swarm.generation;
            let is_unwanted = channels.unwanted.get(&swarm.topic) == Some(&generation);
            if is_unwanted || channels.numbers.contains_key(&swarm.topic) {
                continue;
            }
            let mut session = swarm.session.subscribe();
            let handshake = write_handshake(&session.borrow_and_update());
            if let Some((our, open)) = channels.mux.open(id, &handshake) {
                channels.mux.say(open);
                self.insert(channels, our, swarm, session);
            }
        }
    }
}

impl Channel {
    /// The peer says something else of itself.
    fn session_data(&self, socket: &Arc<Socket>, payload: Bytes) -> Result<(), Malformed> {
        let data = session_data::decode(&Frame::decode(payload)?.content)?;
        socket.session.send_replace(Some(data));
        let event = SwarmEvent::SessionData(PeerSocket::new(socket.clone()));
        self.swarm.tell(event);
        Ok(())
    }
}

/// What goes with the opening of a channel: the length of the session data, and the data as JSON. None is of no length.
fn write_handshake(session: &Option<Bytes>) -> Bytes {
    let mut handshake = BytesMut::new();
    put_bytes(&mut handshake, session.as_deref().unwrap_or_default());
    handshake.freeze()
}

/// What follows the session data is for later versions.
fn read_handshake(mut handshake: Bytes) -> Result<Option<Value>, Malformed> {
    match take_bytes(&mut handshake)? {
        empty if empty.is_empty() => Ok(None),
        json => session_data::decode(&json).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_data_goes_with_the_opening() {
        for data in [None, Some(Bytes::from_static(b"null"))] {
            let expected = data.as_ref().map(|_| Value::Null);
            assert_eq!(read_handshake(write_handshake(&data)), Ok(expected));
        }
        assert_eq!(read_handshake(Bytes::new()), Err(Malformed::Frame));
        assert_eq!(
            read_handshake(Bytes::from_static(b"\x01{")),
            Err(Malformed::SessionData)
        );
        let later = read_handshake(Bytes::from_static(b"\x010more"));
        assert_eq!(later, Ok(Some(Value::from(0))));
    }
}
