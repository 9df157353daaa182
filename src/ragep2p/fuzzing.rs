//! Bodies of fuzz targets.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use tokio::time::{Duration, Instant};
use tower_multiserver_core::{Identity, PeerId, Seed};

use super::{
    Priority, RateLimit, ResponsePolicy, StreamId, Version,
    frame::{FrameType, Header, RequestId},
    limits::ValidLimits,
    mux::{Inbound, Mux, OutFrame, Outbound, Verdict},
    peer::Peer,
};

pub use super::{link::fuzzing::frames, ragedisco::fuzzing::messages as announcements};

static ALICE_AND_BOB: LazyLock<[PeerId; 2]> = LazyLock::new(|| {
    [[1; 32], [2; 32]].map(|seed| {
        Identity::from_seed(&Seed::from_bytes(seed))
            .public_key()
            .into()
    })
});

/// No tokens come by themselves, so that no clock counts.
const RATE: RateLimit = RateLimit::new(0.0, 1 << 20);

const MAX_MESSAGE: usize = 1000;

/// What waits in a stream in each direction.
const WAITING: usize = 4;

fn limits() -> ValidLimits {
    let waiting = NonZeroUsize::new(WAITING).expect("it is not zero");
    ValidLimits {
        outgoing: waiting,
        incoming: waiting,
        max_message: MAX_MESSAGE,
        messages: RATE,
        bytes: RATE,
    }
}

/// Alice, who has the stream `test` to Bob, on a connection.
pub(super) fn peer(version: Version) -> Peer {
    let [alice, bob] = *ALICE_AND_BOB;
    let peer = Peer::new(alice, bob, version, RATE);
    let stream = StreamId::new(&alice, &bob, "test");
    let open = |mux: &mut Mux| open(mux, stream);
    peer.open(stream, open, limits()).expect("the first stream");
    peer.mux().connected();
    peer
}

fn open(mux: &mut Mux, stream: StreamId) -> std::result::Result<(), super::OpenError> {
    let name = "test".into();
    mux.open(stream, name, Priority::Default, limits(), Instant::now())
}

/// One end: its streams, and what is on its way to the other one.
struct End {
    mux: Mux,
    wire: VecDeque<OutFrame>,
    /// The number of the next message on each stream, and of the last one heard.
    said: [u32; STREAMS],
    heard: [Option<u32>; STREAMS],
}

const STREAMS: usize = 4;

/// Two ends that open, close, say, connect and listen as they like: what is heard was said, in that order, and once.
pub fn operations(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let version = match u.arbitrary()? {
        true => Version::V1,
        false => Version::V2,
    };
    let mut ends = [version; 2].map(|version| End {
        mux: Mux::new(version),
        wire: VecDeque::new(),
        said: [0; STREAMS],
        heard: [None; STREAMS],
    });
    let start = Instant::now();
    let mut now = start;
    while !u.is_empty() {
        let [a, b] = &mut ends;
        let (end, other) = match u.arbitrary()? {
            true => (a, b),
            false => (b, a),
        };
        let index = u.int_in_range(0..=STREAMS - 1)?;
        let stream = StreamId::from_bytes([index as u8; 32]);
        match u.int_in_range(0..=9)? {
            0 => drop(open(&mut end.mux, stream)),
            1 => end.mux.close(&stream),
            2 => end.say(index, stream, u.int_in_range(4..=MAX_MESSAGE + 1)?),
            3 => {
                let policy = ResponsePolicy::once(100, now + Duration::from_secs(1));
                let _ = end
                    .mux
                    .send(&stream, Outbound::Request(Bytes::new(), policy));
            }
            4 => {
                for end in &mut ends {
                    end.mux.connected();
                    end.wire.clear();
                }
            }
            5 => end.mux.repeat_opens(),
            6 => now += Duration::from_millis(u.arbitrary::<u16>()?.into()),
            7 => end.hear(index, stream, other),
            _ => {
                for _ in 0..u.int_in_range(1..=20)? {
                    end.write(now);
                    other.read(&mut end.wire, now);
                }
            }
        }
    }
    Ok(())
}

impl End {
    fn say(&mut self, index: usize, stream: StreamId, len: usize) {
        let mut message = self.said[index].to_be_bytes().to_vec();
        message.resize(len, 0);
        if self
            .mux
            .send(&stream, Outbound::Message(message.into()))
            .is_ok()
        {
            self.said[index] += 1;
        }
    }

    fn write(&mut self, now: Instant) {
        if self.mux.is_connected() {
            self.wire.extend(self.mux.next_frame(now));
        }
    }

    fn read(&mut self, wire: &mut VecDeque<OutFrame>, now: Instant) {
        let Some(frame) = wire.pop_front() else {
            return;
        };
        let encoded = frame.header.encode();
        let header = Header::decode(&encoded).expect("it was encoded");
        assert_eq!(header, frame.header);
        let verdict = self.mux.judge(&header, frame.request.as_ref(), now);
        match verdict {
            Ok(Verdict::Take) => {
                let message = match (header.frame, frame.request) {
                    (FrameType::Request, Some(id)) => Inbound::Request(id, frame.payload),
                    (FrameType::Response, _) => Inbound::Response(frame.payload),
                    _ => Inbound::Message(frame.payload),
                };
                self.mux.deliver(&header.stream, message);
            }
            Ok(_) => {}
            // What we send breaks a rule of ours only where there was too much of it.
            Err(violation) => {
                assert_eq!(violation, super::Violation::TooManyControlFrames);
                self.mux.disconnected();
            }
        }
    }

    fn hear(&mut self, index: usize, stream: StreamId, other: &mut End) {
        let cx = &mut Context::from_waker(Waker::noop());
        match self.mux.poll_receive(&stream, cx) {
            Poll::Ready(Some(Inbound::Message(message))) => {
                let number = message
                    .first_chunk()
                    .map(|number| u32::from_be_bytes(*number));
                assert!(number > self.heard[index] && number < Some(other.said[index]));
                self.heard[index] = number;
            }
            Poll::Ready(Some(Inbound::Request(id, _))) => {
                let response = Outbound::Response(id, Bytes::new());
                let _ = self.mux.send(&stream, response);
            }
            _ => {}
        }
    }
}

/// Whatever headers come, what they claim is judged before anything is taken.
pub fn headers(data: &[u8]) {
    let _ = judge(&mut Unstructured::new(data));
}

fn judge(u: &mut Unstructured<'_>) -> Result<()> {
    let version = match u.arbitrary()? {
        true => Version::V1,
        false => Version::V2,
    };
    let mut mux = Mux::new(version);
    let now = Instant::now();
    let ours = StreamId::from_bytes([0; 32]);
    open(&mut mux, ours).expect("the first stream");
    mux.connected();
    while !u.is_empty() {
        let mut bytes = [0; super::frame::HEADER_LEN];
        bytes[0] = u.int_in_range(0..=6)?;
        bytes[1] = u.int_in_range(0..=1)?;
        bytes[33..].copy_from_slice(&u.arbitrary::<[u8; 4]>()?);
        let Ok(header) = Header::decode(&bytes) else {
            assert!(!(1..=5).contains(&bytes[0]));
            continue;
        };
        assert_eq!(header.encode(), bytes);
        let request: RequestId = [0; 32];
        let Ok(verdict) = mux.judge(&header, Some(&request), now) else {
            return Ok(());
        };
        if verdict == Verdict::Take {
            assert!(header.stream == ours && header.len as usize <= MAX_MESSAGE);
        }
        if verdict == Verdict::Name {
            assert!(header.len as usize <= super::MAX_NAME_LEN);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("rage_operations", operations);
        replay("rage_headers", headers);
        replay("rage_frames", frames);
        replay("rage_announcements", announcements);
    }
}
