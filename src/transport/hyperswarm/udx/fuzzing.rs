//! Bodies of fuzz targets.

use std::collections::VecDeque;

use arbitrary::{Result, Unstructured};

use super::{
    packet::{DATA, MAX_RANGES, Packet, SACK},
    state::State,
    *,
};

/// A packet that was read is written so that it is read the same.
pub fn packets(data: &[u8]) {
    let Some(mut packet) = Packet::decode(data) else {
        return;
    };
    assert!(packet.ranges.len() <= data.len() / 8);
    packet.ranges.truncate(MAX_RANGES);
    if packet.ranges.is_empty() {
        packet.flags &= !SACK;
    }
    // Without a payload an offset that says nothing of ranges is one of them to npm, so this one is written with data.
    packet.flags |= DATA;
    assert_eq!(Packet::decode(&packet.encode()), Some(packet));
}

/// One end of a stream, and what is on its way to the other one.
struct End {
    state: State,
    wire: VecDeque<Vec<u8>>,
    said: usize,
    heard: usize,
}

/// Packets are lost, doubled, delayed and changed; and what is heard was said, in that order, and once.
pub fn streams(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut ends = [1, 2].map(|id| End {
        state: State::new(id),
        wire: VecDeque::new(),
        said: 0,
        heard: 0,
    });
    let mut now = Instant::now();
    // Whether nobody made packets up.
    let mut is_honest = true;
    while !u.is_empty() {
        let [a, b] = &mut ends;
        let (end, other) = match u.arbitrary()? {
            true => (a, b),
            false => (b, a),
        };
        match u.int_in_range(0..=9)? {
            0 => end.write(usize::from(u.arbitrary::<u16>()?)),
            1 => end.state.end(),
            2 => {
                now += Duration::from_millis(u.arbitrary::<u16>()?.into());
                end.state.tick(now);
            }
            3 => drop(end.wire.pop_front()),
            4 => end.wire.rotate_left(usize::from(end.wire.len() > 1)),
            5 => {
                let again = end.wire.front().cloned();
                end.wire.extend(again);
            }
            6 => {
                is_honest = false;
                let len = u.int_in_range(0..=60)?.min(u.len());
                let mut packet = vec![0xff, 1];
                packet.extend_from_slice(u.bytes(len)?);
                end.wire.push_front(packet);
            }
            7 => end.read(u.int_in_range(1..=100_000)?, other, is_honest),
            _ => {
                for _ in 0..u.int_in_range(1..=100)? {
                    end.wire.extend(end.state.send(now));
                    let Some(packet) = end.wire.pop_front() else {
                        break;
                    };
                    if let Some(packet) = Packet::decode(&packet) {
                        other.state.receive(&packet, now);
                    }
                }
            }
        }
    }
    Ok(())
}

impl End {
    fn write(&mut self, len: usize) {
        let text: Vec<u8> = (self.said..self.said + len).map(at).collect();
        self.said += self.state.write(&text);
    }

    fn read(&mut self, len: usize, other: &Self, is_honest: bool) {
        let mut room = len;
        let mut heard = self.heard;
        self.state.read(|bytes| {
            let count = bytes.len().min(room);
            room -= count;
            for byte in &bytes[..count] {
                assert!(!is_honest || *byte == at(heard));
                heard += 1;
            }
            count
        });
        self.heard = heard;
        assert!(!is_honest || self.heard <= other.said);
    }
}

/// The byte at a place.
fn at(place: usize) -> u8 {
    (place ^ place >> 8) as u8
}
