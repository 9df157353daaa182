//! The header of a packet of UDX: `ff 01 flags offset`, then the stream, the window, the number and the acknowledgement, each 4
//! bytes, little endian. Between header and payload stand as many bytes as the offset says: ranges that arrived out of order.

use bytes::Buf as _;

/// A packet, read or to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) flags: u8,
    /// The receiver's number of the stream.
    pub(super) stream: u32,
    /// How many bytes the sender of the packet has room for.
    pub(super) window: u32,
    /// The packet's number, or the next one where it takes none.
    pub(super) seq: u32,
    /// All packets below this one have arrived.
    pub(super) ack: u32,
    /// Which have arrived beyond: the first, and the one behind the last.
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) payload: &'a [u8],
}

pub(super) const DATA: u8 = 1;
pub(super) const END: u8 = 2;
pub(super) const SACK: u8 = 4;
pub(super) const DESTROY: u8 = 16;
pub(super) const HEARTBEAT: u8 = 32;

const HEADER: usize = 20;

/// As many as the offset, one byte, can tell of.
pub(super) const MAX_RANGES: usize = 31;

/// Whether `a` comes behind `b`; numbers wrap around.
pub(super) fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

impl<'a> Packet<'a> {
    /// Reads one. None if it is none.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[0xff, 1, flags, offset], mut rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let mut word = || rest.try_get_u32_le().ok();
        let (stream, window, seq, ack) = (word()?, word()?, word()?, word()?);
        // Without a payload npm leaves the offset out: all of the rest are ranges.
        let offset = match (flags & (SACK | DATA | END), offset) {
            (SACK, 0) => rest.len(),
            (_, offset) => usize::from(offset),
        };
        let (between, payload) = rest.split_at_checked(offset)?;
        let ranges = match flags & SACK {
            0 => Vec::new(),
            // Else the offset is padding, by which the size of packets is probed.
            _ => {
                let (words, _) = between.as_chunks();
                let (ranges, _) = words.as_chunks();
                let range = |range: &[_; 2]| range.map(u32::from_le_bytes).into();
                ranges.iter().map(range).collect()
            }
        };
        Some(Self {
            flags,
            stream,
            window,
            seq,
            ack,
            ranges,
            payload,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let ranges = self.ranges.get(..MAX_RANGES).unwrap_or(&self.ranges);
        let flags = match ranges.is_empty() {
            true => self.flags,
            false => self.flags | SACK,
        };
        let offset = ranges.len().saturating_mul(8);
        let length = offset.saturating_add(self.payload.len());
        let mut bytes = Vec::with_capacity(length.saturating_add(HEADER));
        bytes.extend([0xff, 1, flags, offset as u8]);
        for word in [self.stream, self.window, self.seq, self.ack] {
            bytes.extend(word.to_le_bytes());
        }
        for (first, end) in ranges {
            bytes.extend(first.to_le_bytes());
            bytes.extend(end.to_le_bytes());
        }
        bytes.extend(self.payload);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_written_as_it_is_read() {
        let packet = Packet {
            flags: DATA | SACK,
            stream: 7,
            window: 65536,
            seq: 3,
            ack: 2,
            ranges: vec![(5, 8), (9, 10)],
            payload: b"hello",
        };
        let bytes = packet.encode();
        assert_eq!(
            hex::encode(&bytes),
            "ff0105100700000000000100030000000200000005000000080000000900\
             00000a00000068656c6c6f"
        );
        assert_eq!(Packet::decode(&bytes), Some(packet));
    }

    #[test]
    fn padding_is_skipped_and_what_is_cut_is_no_packet() {
        let mut bytes = hex::decode("ff01010300000000000000000000000000000000aabbcc6869").unwrap();
        assert_eq!(Packet::decode(&bytes).unwrap().payload, b"hi");
        bytes.truncate(22);
        assert_eq!(Packet::decode(&bytes), None);
        let ranges = "ff0104000000000000000000000000000000000005000000080000000900";
        let ranges = hex::decode(format!("{ranges}00000a000000")).unwrap();
        assert_eq!(Packet::decode(&ranges).unwrap().ranges, [(5, 8), (9, 10)]);
        assert_eq!(Packet::decode(&bytes[..19]), None);
        bytes[1] = 2;
        assert_eq!(Packet::decode(&bytes), None);
    }
}
