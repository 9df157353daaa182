//! The bytes of one frame (RFC 6455, section 5), without IO.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio_tungstenite::tungstenite::protocol::frame::{FrameHeader, coding::OpCode};

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It masks what it sends.
    Client,
    /// It does not.
    Server,
}

/// The most payload of a control frame (section 5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// So many bytes are copied before they are masked: less than the fastest memory of a processor holds.
const MASKED: usize = 8 * 1024;

/// What a masked frame's payload is combined with, from its next byte on (section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    pub(super) fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Masks or unmasks the next bytes of the payload, in place.
    pub(super) fn apply(&mut self, payload: &mut [u8]) {
        let [a, b, c, d] = self.0;
        let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = payload.as_chunks_mut();
        for bytes in words {
            *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= mask;
        }
        self.0.rotate_left(payload.len() % 4);
    }
}

/// Appends a whole message of one frame, its payload gathered from `parts` of `len` bytes in all.
pub(super) fn append<'a>(
    out: &mut BytesMut,
    opcode: OpCode,
    key: Option<[u8; 4]>,
    parts: impl IntoIterator<Item = &'a [u8]>,
    len: usize,
) -> io::Result<()> {
    let header = FrameHeader {
        is_final: true,
        opcode,
        mask: key,
        ..FrameHeader::default()
    };
    out.reserve(header.len(len as u64).saturating_add(len));
    let written = header.format(len as u64, &mut (&mut *out).writer());
    written.map_err(io::Error::other)?;
    let payload = out.len();
    let mut mask = key.map(Mask::new);
    for part in parts {
        // In pieces, so that what is masked is still at hand.
        for piece in part.chunks(MASKED) {
            let start = out.len();
            out.put_slice(piece);
            if let Some(mask) = &mut mask {
                let (_, piece) = out.split_at_mut(start);
                mask.apply(piece);
            }
        }
    }
    debug_assert_eq!(
        out.len().checked_sub(payload),
        Some(len),
        "the length is that of the parts"
    );
    Ok(())
}

/// Fresh masking keys from the system's strong source of entropy (section 5.3), drawn some at a time.
#[derive(Default)]
pub(super) struct Keys([Option<[u8; 4]>; 8]);

impl Keys {
    pub(super) fn next(&mut self) -> io::Result<[u8; 4]> {
        if let Some(key) = self.0.iter_mut().find_map(Option::take) {
            return Ok(key);
        }
        let mut drawn = [[0; 4]; 9];
        getrandom::fill(drawn.as_flattened_mut())?;
        let [first, others @ ..] = drawn;
        self.0 = others.map(Some);
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

    use super::*;

    const BINARY: OpCode = OpCode::Data(Data::Binary);

    #[test]
    fn no_key_is_used_twice() {
        let mut keys = Keys::default();
        let mut used: Vec<_> = (0..30).map(|_| keys.next().unwrap()).collect();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), 30);
    }

    #[test]
    fn a_payload_unmasks_the_same_in_any_pieces() {
        let plain: Vec<u8> = (0..100).collect();
        let mut whole = plain.clone();
        Mask::new([1, 2, 3, 4]).apply(&mut whole);
        assert_eq!(whole[..5], [1, 1 ^ 2, 2 ^ 3, 3 ^ 4, 4 ^ 1]);
        for first in 0..20 {
            for second in 0..20 {
                let mut mask = Mask::new([1, 2, 3, 4]);
                let mut pieces = whole.clone();
                let (a, rest) = pieces.split_at_mut(first);
                let (b, c) = rest.split_at_mut(second);
                mask.apply(a);
                mask.apply(b);
                mask.apply(c);
                assert_eq!(pieces, plain, "cut after {first} and {second} more");
            }
        }
    }

    #[test]
    fn a_message_has_the_bytes_of_the_rfc() {
        let mut out = BytesMut::new();
        append(&mut out, BINARY, None, [&b"He"[..], b"llo"], 5).unwrap();
        assert_eq!(out[..], *b"\x82\x05Hello");

        // The masked example of section 5.7, as binary.
        out.clear();
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        append(&mut out, BINARY, key, [&b"Hello"[..]], 5).unwrap();
        assert_eq!(out[..], *b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");

        for (len, header) in [
            (125, &b"\x82\x7d"[..]),
            (126, b"\x82\x7e\x00\x7e"),
            (65535, b"\x82\x7e\xff\xff"),
            (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            out.clear();
            append(&mut out, BINARY, None, [&vec![7; len][..]], len).unwrap();
            assert_eq!(out[..header.len()], *header);
            assert_eq!(out.len(), header.len() + len);
        }
    }

    #[test]
    fn no_two_keys_are_alike() {
        let mut keys = Keys::default();
        let mut drawn: Vec<_> = (0..100).map(|_| keys.next().expect("entropy")).collect();
        drawn.sort_unstable();
        drawn.dedup();
        // Of 100 keys of 32 bits, two are the same once in a million runs; three are so never.
        assert!(drawn.len() >= 99, "{drawn:?}");
    }
}
