//! Integers and bytes as the npm package `compact-encoding` writes them.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::Malformed;

pub(super) fn put_uint(out: &mut BytesMut, value: u64) {
    match value {
        0..=0xfc => out.put_u8(value as u8),
        0xfd..=0xffff => {
            out.put_u8(0xfd);
            out.put_u16_le(value as u16);
        }
        0x1_0000..=0xffff_ffff => {
            out.put_u8(0xfe);
            out.put_u32_le(value as u32);
        }
        _ => {
            out.put_u8(0xff);
            out.put_u64_le(value);
        }
    }
}

/// How many bytes it takes.
pub(super) fn uint_len(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

pub(super) fn take_uint(bytes: &mut Bytes) -> Result<u64, Malformed> {
    let short = |_| Malformed::Frame;
    match bytes.try_get_u8().map_err(short)? {
        0xfd => bytes.try_get_u16_le().map(u64::from).map_err(short),
        0xfe => bytes.try_get_u32_le().map(u64::from).map_err(short),
        0xff => bytes.try_get_u64_le().map_err(short),
        small => Ok(small.into()),
    }
}

pub(super) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

pub(super) fn take_bytes(bytes: &mut Bytes) -> Result<Bytes, Malformed> {
    let len = take_uint(bytes)?;
    match usize::try_from(len) {
        Ok(len) if len <= bytes.len() => Ok(bytes.split_to(len)),
        _ => Err(Malformed::Frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_package() {
        // Printed by compact-encoding 3.5.2.
        for (value, hex) in [
            (0, "00"),
            (252, "fc"),
            (253, "fdfd00"),
            (65_535, "fdffff"),
            (65_536, "fe00000100"),
            (4_294_967_296, "ff0000000001000000"),
        ] {
            let mut out = BytesMut::new();
            put_uint(&mut out, value);
            assert_eq!(hex::encode(&out), hex);
            assert_eq!(out.len(), uint_len(value));
            for len in 0..out.len() {
                let mut cut = Bytes::copy_from_slice(&out[..len]);
                assert_eq!(take_uint(&mut cut), Err(Malformed::Frame));
            }
            assert_eq!(take_uint(&mut out.freeze()), Ok(value));
        }
    }

    #[test]
    fn bytes_that_are_not_there_are_refused() {
        for bad in [&b"\x02a"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            let taken = take_bytes(&mut Bytes::from_static(bad));
            assert_eq!(taken, Err(Malformed::Frame));
        }
    }
}
