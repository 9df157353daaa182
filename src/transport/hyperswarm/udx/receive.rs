//! The direction in which a stream receives.

use std::collections::{BTreeMap, VecDeque};

use super::packet::{END, MAX_RANGES, Packet};

/// What came, and what the peer is to be told of it.
pub(super) struct Receiver {
    expected: u32,
    early: BTreeMap<u32, (u8, Vec<u8>)>,
    early_bytes: usize,
    arrived: VecDeque<Vec<u8>>,
    position: usize,
    unread: usize,
    pub(super) ended: bool,
    told_window: u32,
    /// Whether the peer waits to be told something.
    pub(super) owes_ack: bool,
}

/// How much may wait to be read.
pub(super) const RECEIVE: usize = 1024 * 1024;

/// How far beyond the next a packet may be: as many as fill the window twice, of 64 bytes.
const MAX_FAR: u32 = 2 * RECEIVE as u32 / 64;

/// Packets that are shorter wait together.
const PART: usize = 1200;

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            expected: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            arrived: VecDeque::new(),
            position: 0,
            unread: 0,
            ended: false,
            told_window: RECEIVE as u32,
            owes_ack: false,
        }
    }

    /// The number below which all packets have arrived.
    pub(super) fn expected(&self) -> u32 {
        self.expected
    }

    /// Gives what has arrived; the number of bytes. None when there is nothing yet.
    pub(super) fn read(&mut self, mut take: impl FnMut(&[u8]) -> usize) -> Option<usize> {
        let mut count = 0;
        while let Some(first) = self.arrived.front() {
            let rest = first.get(self.position..).unwrap_or_default();
            let length = rest.len();
            let taken = take(rest);
            count = taken.saturating_add(count);
            self.unread = self.unread.saturating_sub(taken);
            if taken < length {
                self.position = self.position.saturating_add(taken);
                break;
            }
            self.arrived.pop_front();
            self.position = 0;
        }
        // The peer may have stopped for want of room.
        let opened = self.window().saturating_sub(self.told_window);
        if opened as usize >= RECEIVE / 4 {
            self.owes_ack = true;
        }
        (count > 0 || self.ended).then_some(count)
    }

    fn window(&self) -> u32 {
        RECEIVE.saturating_sub(self.held()) as u32
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.unread.saturating_add(self.early_bytes)
    }

    /// Takes a packet that brings something, and was not taken before.
    pub(super) fn take(&mut self, packet: &Packet<'_>) {
        let far = packet.seq.wrapping_sub(self.expected);
        let length = packet.payload.len();
        let is_known = self.early.contains_key(&packet.seq);
        // What does not keep to the window that it was told, with some grace, is dropped, and will come again.
        let has_room = self.held().saturating_add(length) <= RECEIVE + RECEIVE / 4;
        if is_known || far > MAX_FAR || !(has_room || far == 0 && self.unread == 0) {
            return;
        }
        self.early_bytes = self.early_bytes.saturating_add(length);
        let entry = (packet.flags, packet.payload.to_vec());
        self.early.insert(packet.seq, entry);
        while let Some((flags, payload)) = self.early.remove(&self.expected) {
            self.expected = self.expected.wrapping_add(1);
            self.early_bytes = self.early_bytes.saturating_sub(payload.len());
            if self.ended {
                continue;
            }
            self.unread = self.unread.saturating_add(payload.len());
            match self.arrived.back_mut() {
                // Else a peer that sends byte by byte would cost some fifty times what it sends.
                Some(last) if last.len().saturating_add(payload.len()) <= PART => {
                    last.extend(payload)
                }
                _ if payload.is_empty() => {}
                _ => self.arrived.push_back(payload),
            }
            self.ended |= flags & END != 0;
        }
    }

    /// What the peer is told now: how much room there is, and which packets have arrived out of order where `with_ranges` says
    /// that there is room for them.
    pub(super) fn tell(&mut self, with_ranges: bool) -> (u32, Vec<(u32, u32)>) {
        self.told_window = self.window();
        let ranges = match with_ranges {
            true => ranges(self.early.keys().copied()),
            false => Vec::new(),
        };
        (self.told_window, ranges)
    }

    /// A packet with data tells all but the ranges.
    pub(super) fn told_with_data(&mut self) {
        self.owes_ack &= !self.early.is_empty();
    }
}

/// Successive numbers as ranges.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        let is_full = ranges.len() == MAX_RANGES;
        match ranges.last_mut() {
            Some((_, end)) if *end == number => *end = number.wrapping_add(1),
            _ if is_full => break,
            _ => ranges.push((number, number.wrapping_add(1))),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::{super::packet::DATA, *};

    #[test]
    fn a_peer_that_sends_byte_by_byte_costs_little_more_than_its_bytes() {
        let mut receiver = Receiver::new();
        let count = 100_000;
        for seq in 0..count {
            receiver.take(&Packet {
                flags: DATA,
                stream: 1,
                window: 0,
                seq,
                ack: 0,
                ranges: Vec::new(),
                payload: &[seq as u8],
            });
        }
        let parts = receiver.arrived.iter();
        let held: usize = parts.map(|part| size_of_val(part) + part.capacity()).sum();
        assert!(held <= 3 * count as usize, "{held} bytes");
        let mut heard = Vec::new();
        receiver.read(|bytes| {
            heard.extend_from_slice(bytes);
            bytes.len()
        });
        assert!(heard.into_iter().eq((0..count).map(|seq| seq as u8)));
    }
}
