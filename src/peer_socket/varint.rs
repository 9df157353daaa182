//! Integers of protocol buffers: seven bits a byte, the lowest first.

use bytes::{Buf, BufMut, BytesMut};

use super::Malformed;

/// A 64-bit integer has no more bytes.
pub(super) const MAX_LEN: usize = 10;

pub(super) fn put(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// How many bytes it takes.
pub(super) fn len(value: u64) -> usize {
    ((value | 1).ilog2() / 7).saturating_add(1) as usize
}

/// Takes one off `bytes`, which hold all there is.
pub(super) fn take(bytes: &mut impl Buf) -> Result<u64, Malformed> {
    match peek(bytes.chunk())? {
        Some((value, len)) => {
            bytes.advance(len);
            Ok(value)
        }
        None => Err(Malformed::Frame),
    }
}

/// The integer at the start and how many bytes it has, or `None` where more bytes must come.
pub(super) fn peek(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let (mut value, mut place) = (0_u64, 1_u64);
    for (len, byte) in (1..=MAX_LEN).zip(bytes) {
        let bits = u64::from(byte & 0x7f).checked_mul(place);
        value |= bits.ok_or(Malformed::Frame)?;
        if byte & 0x80 == 0 {
            return Ok(Some((value, len)));
        }
        place <<= 7;
    }
    match bytes.len() < MAX_LEN {
        true => Ok(None),
        false => Err(Malformed::Frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_however_they_are_cut() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = BytesMut::new();
            put(&mut bytes, value);
            assert_eq!(bytes.len(), len(value));
            for len in 0..bytes.len() {
                assert_eq!(peek(&bytes[..len]), Ok(None));
            }
            assert_eq!(peek(&bytes), Ok(Some((value, bytes.len()))));
        }
    }

    #[test]
    fn what_has_more_than_64_bits_is_refused() {
        let too_large = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
        assert_eq!(peek(too_large), Err(Malformed::Frame));
        assert_eq!(peek(&[0x80; 10]), Err(Malformed::Frame));
    }
}
