//! The streams of `tests/vectors`.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;

#[derive(Deserialize)]
struct Streams {
    good: Vec<Good>,
    bad: Vec<Bad>,
    bad_key: String,
    bad_nonce: String,
    truncate_stream: String,
    truncate_plain: Vec<String>,
}

#[derive(Deserialize)]
struct Good {
    name: String,
    key: String,
    nonce: String,
    chunks: Vec<String>,
    frames: Vec<String>,
    sha256_of_stream: String,
    nonce_after: String,
}

#[derive(Deserialize)]
struct Bad {
    name: String,
    stream: String,
    expect: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transcripts {
    handshakes: Vec<Handshake>,
    increments: Vec<Increment>,
    box_nonce_wrap: Vec<Wrap>,
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "box")]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    direction: String,
    key: String,
    nonce: String,
    writes_hex_lengths: Vec<usize>,
    first_two_frames: String,
    last34: String,
    sha256: String,
    total: usize,
}

#[derive(Deserialize)]
struct Increment {
    nonce: String,
    plus1: String,
    plus2: String,
}

#[derive(Deserialize)]
struct Wrap {
    key: String,
    nonce: String,
    writes: Vec<String>,
    stream: String,
}

fn streams() -> Streams {
    serde_json::from_str(include_str!("../../tests/vectors/boxstream-own.json")).unwrap()
}

fn transcripts() -> Transcripts {
    serde_json::from_str(include_str!("../../tests/vectors/shs-own-transcripts.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn key(key: &str, nonce: &str) -> BoxKey {
    let key = bytes(key).try_into().unwrap();
    BoxKey::new(&key, bytes(nonce).try_into().unwrap())
}

/// One frame, or several where `text` is longer.
pub(super) fn sealed(sealer: &mut Sealer, text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; text.len() + HEADER * text.len().div_ceil(BODY_MAX)];
    let done = sealer.seal(text, &mut out);
    assert_eq!((done.read, done.written), (text.len(), out.len()));
    out
}

/// What comes out of `stream`, in the calls that it takes, and how it ends: `Ok` is the goodbye.
pub(super) fn opened(opener: &mut Opener, stream: &[u8]) -> (Vec<u8>, Result<(), BoxStreamError>) {
    let (mut rest, mut text) = (stream, Vec::new());
    loop {
        let mut out = [0; 2 * BODY_MAX];
        match opener.open(rest, &mut out) {
            Ok(done) => {
                text.extend_from_slice(&out[..done.written]);
                assert!(out[done.written..].iter().all(|byte| *byte == 0));
                rest = &rest[done.read..];
                match done.next {
                    Next::Sealed | Next::Nothing => return (text, opener.end()),
                    Next::Room(_) | Next::Call => assert!(done.read > 0),
                }
            }
            Err(error) => {
                assert_eq!(opener.open(rest, &mut out), Err(error), "dead for good");
                assert_eq!(opener.end(), Err(error));
                return (text, Err(error));
            }
        }
    }
}

#[test]
fn good_streams_are_sealed_byte_for_byte_and_opened() {
    for good in streams().good {
        let name = &good.name;
        let mut sealer = Sealer::new(key(&good.key, &good.nonce));
        let mut stream = Vec::new();
        for (chunk, frame) in good.chunks.iter().zip(&good.frames) {
            let sealed = sealed(&mut sealer, &bytes(chunk));
            assert_eq!(hex::encode(&sealed), *frame, "{name}");
            stream.extend(sealed);
        }
        assert_eq!(
            hex::encode(sealer.key().nonce()),
            good.nonce_after,
            "{name}"
        );
        stream.extend(sealer.goodbye());
        assert!(hex::encode(&stream).ends_with(good.frames.last().unwrap()));
        assert_eq!(hex::encode(Sha256::digest(&stream)), good.sha256_of_stream);

        let mut opener = Opener::new(key(&good.key, &good.nonce));
        let (text, end) = opened(&mut opener, &stream);
        assert_eq!(hex::encode(text), good.chunks.concat(), "{name}");
        assert_eq!(end, Ok(()), "{name}");
        assert_eq!(
            hex::encode(opener.key().nonce()),
            good.nonce_after,
            "{name}"
        );
    }
}

#[test]
fn bad_streams_end_in_an_error_behind_what_was_good() {
    let streams = streams();
    let good = bytes(&streams.truncate_plain.concat());
    for bad in &streams.bad {
        let mut opener = Opener::new(key(&streams.bad_key, &streams.bad_nonce));
        let (text, end) = opened(&mut opener, &bytes(&bad.stream));
        // How much comes out first, and how it ends.
        let (length, expected) = match bad.name.as_str() {
            "body length 4097, correctly sealed" | "body length 65535, header only" => {
                (0, Err(BoxStreamError::TooLong))
            }
            // Our choice: an empty frame is passed over.
            "body length 0 with a valid non-zero mac" => (1, Err(BoxStreamError::Truncated)),
            "length 0, mac all zero = goodbye, then more bytes" => (0, Ok(())),
            "frame repeated" | "frame dropped" => (40, Err(BoxStreamError::Forged)),
            "end of transport with no goodbye" => (43, Err(BoxStreamError::Truncated)),
            _ => (0, Err(BoxStreamError::Forged)),
        };
        assert_eq!(end, expected, "{}: {}", bad.name, bad.expect);
        assert_eq!(text.len(), length, "{}", bad.name);
        // All of them begin as the stream that is to be cut does.
        assert!(good.starts_with(&text) || length == 1, "{}", bad.name);
    }
}

#[test]
fn a_stream_cut_anywhere_is_truncated_behind_its_whole_frames() {
    let streams = streams();
    let stream = bytes(&streams.truncate_stream);
    let frames: Vec<_> = streams
        .truncate_plain
        .iter()
        .map(|text| bytes(text))
        .collect();
    for cut in 0..stream.len() {
        let mut opener = Opener::new(key(&streams.bad_key, &streams.bad_nonce));
        let (text, end) = opened(&mut opener, &stream[..cut]);
        let (mut at, mut expected) = (0, Vec::new());
        for frame in &frames {
            at += HEADER + frame.len();
            if at <= cut {
                expected.extend_from_slice(frame);
            }
        }
        assert!(text == expected, "cut at {cut}");
        assert_eq!(end, Err(BoxStreamError::Truncated), "cut at {cut}");
    }
    println!("measured shs\tcuts of a stream\t{} told", stream.len());
    let mut opener = Opener::new(key(&streams.bad_key, &streams.bad_nonce));
    assert_eq!(opened(&mut opener, &stream), (frames.concat(), Ok(())));
}

#[test]
fn a_flipped_bit_anywhere_ends_the_stream_before_its_frame() {
    let streams = streams();
    let mut stream = bytes(&streams.truncate_stream);
    let frames: Vec<_> = streams
        .truncate_plain
        .iter()
        .map(|text| bytes(text))
        .collect();
    for bit in 0..8 * stream.len() {
        stream[bit / 8] ^= 1 << (bit % 8);
        let mut opener = Opener::new(key(&streams.bad_key, &streams.bad_nonce));
        let (text, end) = opened(&mut opener, &stream);
        stream[bit / 8] ^= 1 << (bit % 8);

        let (mut at, mut expected) = (0, Vec::new());
        for frame in &frames {
            at += HEADER + frame.len();
            if at <= bit / 8 {
                expected.extend_from_slice(frame);
            }
        }
        assert!(text == expected, "bit {bit}");
        assert_eq!(end, Err(BoxStreamError::Forged), "bit {bit}");
    }
    let count = 8 * stream.len();
    println!("measured shs\tflipped bits of a stream\t{count} refused");
}

#[test]
fn the_streams_of_javascript_are_sealed_byte_for_byte() {
    for stream in transcripts().handshakes.iter().flat_map(|one| &one.streams) {
        let mut sealer = Sealer::new(key(&stream.key, &stream.nonce));
        let writes = [
            b"hello".to_vec(),
            vec![],
            vec![0],
            vec![0xab; 4096],
            vec![0xcd; 4100],
        ];
        let lengths: Vec<_> = writes.iter().map(Vec::len).collect();
        assert_eq!(lengths, stream.writes_hex_lengths);
        let mut all = Vec::new();
        for write in &writes {
            all.extend(sealed(&mut sealer, write));
        }
        all.extend(sealer.goodbye());
        assert_eq!(all.len(), stream.total, "{}", stream.direction);
        assert!(hex::encode(&all).starts_with(&stream.first_two_frames));
        assert!(hex::encode(&all).ends_with(&stream.last34));
        assert_eq!(hex::encode(Sha256::digest(&all)), stream.sha256);

        let mut opener = Opener::new(key(&stream.key, &stream.nonce));
        assert_eq!(opened(&mut opener, &all), (writes.concat(), Ok(())));
    }
}

#[test]
fn nonces_carry_and_wrap_as_in_javascript() {
    let transcripts = transcripts();
    for increment in transcripts.increments {
        let mut counting = key(&hex::encode([7; 32]), &increment.nonce);
        counting.advance(1);
        assert_eq!(hex::encode(counting.nonce()), increment.plus1);
        counting.advance(1);
        assert_eq!(hex::encode(counting.nonce()), increment.plus2);
    }
    for wrap in transcripts.box_nonce_wrap {
        let mut sealer = Sealer::new(key(&wrap.key, &wrap.nonce));
        let mut stream = Vec::new();
        for write in &wrap.writes {
            stream.extend(sealed(&mut sealer, write.as_bytes()));
        }
        stream.extend(sealer.goodbye());
        assert_eq!(hex::encode(&stream), wrap.stream);
        let mut opener = Opener::new(key(&wrap.key, &wrap.nonce));
        let (text, end) = opened(&mut opener, &stream);
        assert_eq!((text, end), (wrap.writes.concat().into_bytes(), Ok(())));
    }
}
