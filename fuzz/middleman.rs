//! What the fuzz targets of encrypted protocols share: keys, and somebody on the way who changes what is said.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use arbitrary::{Result, Unstructured};

/// A key that depends on the whole input. A fuzzer sees what a tag is compared with and says it the next time: with one key
/// for all inputs it would come to know right tags, and what looks like a forgery would be none.
pub(crate) fn key(data: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    for (number, part) in key.chunks_exact_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        (number, data).hash(&mut hasher);
        part.copy_from_slice(&hasher.finish().to_be_bytes());
    }
    key
}

/// Up to three pieces of a message are other ones.
pub(crate) fn changed<const N: usize>(
    u: &mut Unstructured<'_>,
    honest: &[u8; N],
) -> Result<[u8; N]> {
    let mut bytes = *honest;
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.choose_index(N)?;
        let length = u.int_in_range(1..=32)?.min(N - at);
        u.fill_buffer(&mut bytes[at..at + length])?;
    }
    Ok(bytes)
}

/// A stream is cut, or a piece of it left out, said again, put behind it or altered.
pub(crate) fn change(u: &mut Unstructured<'_>, wire: &mut Vec<u8>) -> Result<()> {
    let at = u.choose_index(wire.len().max(1))?;
    let to = u.int_in_range(at..=wire.len())?;
    match u.int_in_range(0..=4)? {
        0 => wire.truncate(at),
        1 => drop(wire.drain(at..to)),
        2 => wire.extend_from_within(at..to),
        3 => wire.extend(u.bytes(u.len().min(40))?),
        _ => {
            if let Some(byte) = wire.get_mut(at) {
                *byte ^= u.int_in_range(1..=255)?;
            }
        }
    }
    Ok(())
}
