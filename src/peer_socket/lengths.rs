//! Frames on streams that keep no borders: a length, then the frame.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{Malformed, put::Put, varint};

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// As in protocol buffers: the framing of 2018.
    Varint,
    /// Three bytes, the lowest first: that of `@hyperswarm/secret-stream`.
    U24,
}

/// Frames of at most `max` bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    prefix: Prefix,
    max: usize,
}

/// The longest frame of which a length of three bytes can tell.
pub(super) const MAX_U24: usize = (1 << 24) - 1;

impl Lengths {
    pub(super) fn new(prefix: Prefix, max: usize) -> Self {
        let max = match prefix {
            Prefix::Varint => max,
            Prefix::U24 => max.min(MAX_U24),
        };
        Self { prefix, max }
    }

    fn peek(self, bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
        match (self.prefix, bytes) {
            (Prefix::Varint, _) => varint::peek(bytes),
            (Prefix::U24, &[a, b, c, ..]) => {
                Ok(Some((u64::from(u32::from_le_bytes([a, b, c, 0])), 3)))
            }
            (Prefix::U24, _) => Ok(None),
        }
    }
}

impl Decoder for Lengths {
    type Item = Bytes;
    type Error = io::Error;

    /// Asks for no room: the buffer grows as the bytes come, whatever a length claims.
    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Bytes>> {
        let Some((len, header)) = self.peek(bytes)? else {
            return Ok(None);
        };
        let len = usize::try_from(len).ok().filter(|len| *len <= self.max);
        let len = len.ok_or(Malformed::TooLong)?;
        if bytes.len().saturating_sub(header) < len {
            return Ok(None);
        }
        bytes.advance(header);
        Ok(Some(bytes.split_to(len).freeze()))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Bytes>> {
        match self.decode(bytes)? {
            None if !bytes.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            frame => Ok(frame),
        }
    }
}

impl<F: Put> Encoder<F> for Lengths {
    type Error = io::Error;

    fn encode(&mut self, frame: F, out: &mut BytesMut) -> io::Result<()> {
        if frame.len() > self.max {
            return Err(Malformed::TooLong.into());
        }
        out.reserve(frame.len().saturating_add(varint::MAX_LEN));
        match self.prefix {
            Prefix::Varint => varint::put(out, frame.len() as u64),
            Prefix::U24 => out.extend_from_slice(&(frame.len() as u32).to_le_bytes()[..3]),
        }
        frame.put(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_socket::packet::Packet;

    const BOTH: [Prefix; 2] = [Prefix::Varint, Prefix::U24];

    fn packet(bytes: &[u8]) -> Packet {
        Packet::Control(Bytes::copy_from_slice(bytes))
    }

    fn decoded(lengths: &mut Lengths, bytes: &mut BytesMut) -> Vec<Bytes> {
        std::iter::from_fn(|| lengths.decode(bytes).unwrap()).collect()
    }

    #[test]
    fn frames_come_out_wherever_the_bytes_are_cut() {
        for prefix in BOTH {
            let mut lengths = Lengths::new(prefix, 1000);
            let frames = [&[7; 300][..], b"", b"x"].map(Bytes::copy_from_slice);
            let mut wire = BytesMut::new();
            for frame in &frames {
                lengths.encode(packet(frame), &mut wire).unwrap();
            }
            for cut in 0..=wire.len() {
                let mut bytes = BytesMut::from(&wire[..cut]);
                let mut all = decoded(&mut lengths, &mut bytes);
                bytes.extend_from_slice(&wire[cut..]);
                all.extend(decoded(&mut lengths, &mut bytes));
                assert_eq!(all, frames);
            }
        }
    }

    #[test]
    fn a_length_above_the_maximum_is_refused_and_takes_no_memory() {
        for prefix in BOTH {
            let mut lengths = Lengths::new(prefix, 1000);
            for wire in [
                &b"\xe9\x07\0"[..],
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            ] {
                let mut bytes = BytesMut::from(wire);
                // The first is 1001 as a varint, and 2025 in three bytes.
                let error = lengths.decode(&mut bytes).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert!(bytes.capacity() < 100);
            }
            // And one that is allowed takes only what has come.
            let mut bytes = BytesMut::from(&b"\xe8\x03\0"[..]);
            assert_eq!(lengths.decode(&mut bytes).unwrap(), None);
            assert!(bytes.capacity() < 100);
            assert!(lengths.encode(packet(&[0; 1001]), &mut bytes).is_err());
        }
    }

    #[test]
    fn an_end_within_a_frame_is_an_error() {
        for prefix in BOTH {
            let mut lengths = Lengths::new(prefix, 1000);
            for wire in [&b"\x85"[..], b"\x05\0\0a"] {
                let error = lengths.decode_eof(&mut BytesMut::from(wire)).map(|_| ());
                // As a varint the second is five bytes, of which three have come.
                let kind = error.unwrap_err().kind();
                assert_eq!(kind, io::ErrorKind::UnexpectedEof);
            }
            assert!(lengths.decode_eof(&mut BytesMut::new()).unwrap().is_none());
        }
    }
}
