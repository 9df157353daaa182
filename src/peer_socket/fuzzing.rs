//! Bodies of fuzz targets.

use std::{collections::VecDeque, io::Cursor};

use arbitrary::{Result, Unstructured};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, join, sink};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::{
    BareSocket, Malformed, Message,
    frame::{Frame, Kind},
    lengths::{Lengths, Prefix},
    mux::{self, Event, MAX_CHANNELS, Mux, Number},
    packet::Packet,
    put::Put as _,
};

/// A message is what its own frame says, or none.
pub fn messages(data: &[u8]) {
    let Ok(frame) = Frame::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    if frame.kind != Kind::Other {
        assert_eq!(Frame::decode(frame.to_bytes()).as_ref(), Ok(&frame));
    }
    if let Ok(message) = Message::from_frame(frame) {
        let again = Frame::decode(message.clone().into_frame().to_bytes());
        assert_eq!(again.and_then(Message::from_frame), Ok(message));
    }
}

/// Whatever comes over a stream of its own, in whatever pieces: some messages, then an error or the end.
pub fn bare(data: &[u8]) {
    let (cut, said) = data.split_first().unwrap_or((&0, &[]));
    let (first, second) = said.split_at(usize::from(*cut).min(said.len()));
    let [first, second] = [first, second].map(|part| Cursor::new(part.to_vec()));
    let io = join(first.chain(second), sink());
    let mut socket = BareSocket::with_max_message(io, 1000);
    let mut count = 0;
    loop {
        let next = socket.next().now_or_never();
        match next.expect("the peer has said all that it will") {
            Some(Ok(_)) => count += 1,
            Some(Err(_)) => assert!(matches!(socket.next().now_or_never(), Some(None))),
            None => break,
        }
    }
    assert!(count <= said.len());
}

/// A stream of frames is the same ones wherever it is cut, none longer than it may be, and is written as it was.
pub fn lengths(data: &[u8]) {
    let (cut, wire) = data.split_first().unwrap_or((&0, &[]));
    let (first, second) = wire.split_at(usize::from(*cut).min(wire.len()));
    for prefix in [Prefix::Varint, Prefix::U24] {
        let (frames, is_whole) = read(prefix, &[wire]);
        assert_eq!(read(prefix, &[first, second]), (frames.clone(), is_whole));
        let mut written = BytesMut::new();
        for frame in frames {
            let frame = Packet::Control(frame);
            let encoded = Lengths::new(prefix, MAX_FRAME).encode(frame, &mut written);
            encoded.expect("it is as long as it may be");
        }
        // A varint can be longer than it needs to be.
        assert!(prefix == Prefix::Varint || wire.starts_with(&written));
        assert!(prefix == Prefix::Varint || !is_whole || wire == written);
    }
}

const MAX_FRAME: usize = 300;

/// The frames of a stream that comes in pieces, and whether it ends behind one.
fn read(prefix: Prefix, pieces: &[&[u8]]) -> (Vec<Bytes>, bool) {
    let (mut lengths, mut bytes) = (Lengths::new(prefix, MAX_FRAME), BytesMut::new());
    let mut frames = Vec::new();
    for piece in pieces {
        bytes.extend_from_slice(piece);
        loop {
            match lengths.decode(&mut bytes) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME));
    (frames, lengths.decode_eof(&mut bytes).is_ok())
}

const IDS: u8 = 4;

/// One end: its channels, and what is on its way to the other one.
struct End {
    mux: Mux,
    open: Vec<(Number, u8)>,
    wire: VecDeque<Bytes>,
}

/// Two ends that open, close and say as they like, and a third who may speak in the name of one: what is heard on a
/// channel was said on the channel of this id.
pub fn channels(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut ends = [(); 2].map(|()| End {
        mux: Mux::new("test/1"),
        open: Vec::new(),
        wire: VecDeque::new(),
    });
    // Whether all that either end hears is what the other one said.
    let mut is_honest = true;
    while !u.is_empty() {
        let [a, b] = &mut ends;
        let (end, other) = match u.arbitrary()? {
            true => (a, b),
            false => (b, a),
        };
        match u.int_in_range(0..=6)? {
            0 => end.open(u.int_in_range(0..=IDS)?),
            1 => {
                if !end.open.is_empty() {
                    let (our, _) = end.open.swap_remove(u.choose_index(end.open.len())?);
                    end.write();
                    end.wire.extend(end.mux.close(our));
                }
            }
            2 => {
                if !end.open.is_empty() {
                    let (our, id) = *u.choose(&end.open)?;
                    end.write();
                    end.wire.push_back(mux::message(our, 0, &[id]));
                }
            }
            3 => {
                let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
                let frame = Bytes::copy_from_slice(u.bytes(len)?);
                is_honest = false;
                end.wire.push_back(frame);
            }
            _ => {
                let (writes, accepts) = (u.arbitrary()?, u.arbitrary()?);
                if writes {
                    end.write();
                }
                let heard = other.hear(end, accepts, is_honest);
                if let Err(malformed) = heard {
                    assert!(!is_honest, "{malformed:?}");
                    return Ok(());
                }
            }
        }
        assert!(ends.iter().all(|end| end.open.len() <= MAX_CHANNELS));
    }
    Ok(())
}

impl End {
    fn open(&mut self, id: u8) {
        if self.open.iter().all(|(_, open)| *open != id)
            && let Some((our, frame)) = self.mux.open([id; 32], &[id])
        {
            self.open.push((our, id));
            self.mux.say(frame);
        }
    }

    fn write(&mut self) {
        while let Some(frame) = self.mux.next_frame() {
            self.wire.push_back(frame);
        }
    }

    /// Takes the next frame of `from`.
    fn hear(
        &mut self,
        from: &mut Self,
        accepts: bool,
        is_honest: bool,
    ) -> std::result::Result<(), Malformed> {
        let Some(frame) = from.wire.pop_front() else {
            return Ok(());
        };
        self.mux.receive(frame);
        while let Some(event) = self.mux.next_event()? {
            match event {
                Event::Requested { their, id, .. } if accepts => {
                    if let Some((our, frame)) = self.mux.accept(their, id, &[id[0]]) {
                        self.open.push((our, id[0]));
                        self.mux.answer(frame);
                    } else {
                        self.mux.reject(their);
                    }
                }
                Event::Requested { their, .. } => self.mux.reject(their),
                Event::Opened { our, handshake } => {
                    assert!(!is_honest || handshake[..] == [self.id(our)]);
                }
                Event::Rejected { our } | Event::Closed { our } => {
                    self.id(our);
                    self.open.retain(|(open, _)| *open != our);
                }
                Event::Message { our, payload, .. } => {
                    assert!(!is_honest || payload[..] == [self.id(our)]);
                }
            }
        }
        Ok(())
    }

    /// That of a channel, which we have.
    fn id(&self, our: Number) -> u8 {
        let open = self.open.iter().find(|(open, _)| *open == our);
        open.expect("no other channel is spoken of").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("peer_messages", messages);
        replay("peer_bare", bare);
        replay("peer_lengths", lengths);
        replay("peer_channels", channels);
    }
}
