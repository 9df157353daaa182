//! Streams that end, go on, break off, and lie.

mod hostile;
mod properties;

use crate::{compressor::Compressor, format::ALL};

use super::*;

/// `text` as one stream of `format`.
pub(crate) fn compress(format: &'static Format, text: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(format, format.level);
    let mut stream = vec![0; 1000 + 2 * text.len()];
    let (mut at, mut read) = (0, 0);
    while read < text.len() {
        let (more, written) = compressor.encode(&text[read..], &mut stream[at..]).unwrap();
        (at, read) = (at + written, read + more);
    }
    while !compressor.is_finished() {
        at += compressor.finish(&mut stream[at..]).unwrap();
    }
    stream.truncate(at);
    stream
}

/// Neither all the same nor without any order.
pub(crate) fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i * i / 7 % 251) as u8 ^ (i >> 9) as u8)
        .collect()
}

fn decompressor(format: &'static Format) -> Decompressor {
    Decompressor::new(format, Limits::default(), true)
}

/// All that comes out of `input` by `output` bytes at once, and what it ends with: `Input` or `Nothing`.
fn drive(
    decompressor: &mut Decompressor,
    mut input: &[u8],
    output: usize,
) -> (Vec<u8>, Result<Next, CompressionError>) {
    let (mut all, mut out) = (Vec::new(), vec![0; output]);
    loop {
        match decompressor.decode(input, &mut out) {
            Ok(decoded) => {
                input = &input[decoded.read..];
                all.extend_from_slice(&out[..decoded.written]);
                if decoded.next != Next::Call {
                    return (all, Ok(decoded.next));
                }
            }
            Err(error) => return (all, Err(error)),
        }
    }
}

/// The same, and the end of the transport behind it.
fn read_all(
    decompressor: &mut Decompressor,
    input: &[u8],
) -> (Vec<u8>, Result<(), CompressionError>) {
    let (all, end) = drive(decompressor, input, 4096);
    decompressor.end();
    let told = decompressor.decode(&[], &mut [0]);
    (
        all,
        end.and(told.map(|decoded| assert_eq!(decoded.next, Next::Nothing))),
    )
}

#[test]
fn a_stream_ends_with_its_member() {
    for format in ALL {
        for text in [text(0), text(1), text(100_000)] {
            let stream = compress(format, &text);
            assert_eq!(read_all(&mut decompressor(format), &stream), (text, Ok(())));
        }
    }
}

#[test]
fn a_cut_anywhere_is_truncation_behind_what_came() {
    for format in ALL {
        let text = text(300);
        let stream = compress(format, &text);
        for cut in 0..stream.len() {
            let mut decompressor = decompressor(format);
            let (all, end) = read_all(&mut decompressor, &stream[..cut]);
            assert_eq!(end, Err(CompressionError::Truncated), "{format:?} at {cut}");
            assert!(text.starts_with(&all), "{format:?} at {cut}");
            let again = decompressor.decode(&stream[cut..], &mut [0; 9]);
            assert_eq!(again, Err(CompressionError::Truncated));
        }
    }
}

#[test]
fn members_follow_each_other_where_the_transport_ends_the_stream() {
    for format in ALL.iter().filter(|format| format.has_members) {
        let stream = [&b"one"[..], b"", b"two"].map(|text| compress(format, text));
        let mut decompressor = decompressor(format);
        let (all, end) = read_all(&mut decompressor, &stream.concat());
        assert_eq!((&*all, end), (&b"onetwo"[..], Ok(())), "{format:?}");
        assert!(decompressor.is_over());
    }
}

#[test]
fn the_first_member_is_all_where_the_transport_cannot_end_the_stream() {
    for format in ALL {
        let stream = [&b"one"[..], b"two"].map(|text| compress(format, text));
        let mut decompressor = Decompressor::new(format, Limits::default(), false);
        let (all, end) = drive(&mut decompressor, &stream.concat(), 100);
        assert_eq!((&*all, end), (&b"one"[..], Ok(Next::Nothing)), "{format:?}");
    }
}

#[test]
fn a_stream_of_one_member_by_its_format_needs_no_end_of_the_transport() {
    for format in ALL.iter().filter(|format| !format.has_members) {
        let stream = [compress(format, b"one"), b"what comes behind it".to_vec()].concat();
        let (all, end) = drive(&mut decompressor(format), &stream, 100);
        assert_eq!((&*all, end), (&b"one"[..], Ok(Next::Nothing)), "{format:?}");
    }
}

/// The CRC-32 of gzip and the length behind it, the Adler-32 of deflate, the XXH64 of zstd. Brotli alone has none.
#[test]
fn every_changed_bit_of_a_checksum_is_malformed() {
    for format in ALL.iter().filter(|format| format.name != "br") {
        let stream = compress(format, &text(1000));
        let length = if format.name == "gzip" { 8 } else { 4 };
        for bit in (stream.len() - length) * 8..stream.len() * 8 {
            let mut stream = stream.clone();
            stream[bit / 8] ^= 1 << (bit % 8);
            let end = read_all(&mut decompressor(format), &stream).1;
            assert!(
                matches!(end, Err(CompressionError::Malformed(_))),
                "{format:?}, bit {bit}: {end:?}"
            );
        }
    }
}

#[test]
fn plain_text_is_malformed() {
    for format in ALL {
        let mut decompressor = decompressor(format);
        let (_, end) = read_all(
            &mut decompressor,
            b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n",
        );
        assert!(
            matches!(end, Err(CompressionError::Malformed(_))),
            "{format:?}: {end:?}"
        );
        let (all, again) = drive(&mut decompressor, b"more", 9);
        assert_eq!((all, again.map(drop)), (Vec::new(), end));
    }
}

#[test]
fn the_output_of_each_level_can_be_read() {
    for format in ALL {
        for level in [i32::MIN, 0, 1, 9, 11, 19, 20, i32::MAX] {
            let mut compressor = Compressor::new(format, level);
            let text = text(5000);
            let mut stream = vec![0; 20_000];
            let (read, mut at) = compressor.encode(&text, &mut stream).unwrap();
            assert_eq!(read, text.len());
            while !compressor.is_finished() {
                at += compressor.finish(&mut stream[at..]).unwrap();
            }
            let heard = read_all(&mut decompressor(format), &stream[..at]);
            assert_eq!(heard, (text, Ok(())), "{format:?} {level}");
        }
    }
}
