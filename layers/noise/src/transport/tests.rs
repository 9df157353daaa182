//! What must hold of every stream.

use proptest::prelude::*;
use tower_multiserver_core::sealed::{Next, Opened};

use super::*;

fn key() -> TransportKey {
    TransportKey::new(&[1; 32])
}

/// The frames of these texts, one each, and the goodbye behind them.
fn stream(key: TransportKey, texts: &[&[u8]]) -> Vec<u8> {
    let mut sealer = Sealer::new(key);
    let mut stream = Vec::new();
    for text in texts {
        let mut frame = vec![0; text.len() + OVERHEAD];
        assert_eq!(sealer.seal(text, &mut frame).written, frame.len());
        stream.extend(frame);
    }
    stream.extend(sealer.goodbye());
    stream
}

/// All the text of a stream, and how it ends.
fn opened(key: TransportKey, stream: &[u8]) -> (Vec<u8>, Result<(), FrameError>) {
    let (mut opener, mut all, mut read) = (Opener::new(key), Vec::new(), 0);
    let mut text = vec![0; TEXT_MAX];
    loop {
        match opener.open(&stream[read..], &mut text) {
            Ok(opened) => {
                read += opened.read;
                all.extend(&text[..opened.written]);
                match opened.next {
                    Next::Sealed | Next::Nothing => return (all, opener.end()),
                    Next::Room(_) | Next::Call => {}
                }
            }
            Err(error) => {
                assert_eq!(opener.open(&[], &mut []), Err(error), "for good");
                assert_eq!(opener.end(), Err(error), "for good");
                return (all, Err(error));
            }
        }
    }
}

#[test]
fn sealing_fills_the_room_and_no_more() {
    let text = vec![5; 2 * TEXT_MAX];
    for (room, read, written) in [
        (0, 0, 0),
        (OVERHEAD, 0, 0),
        (OVERHEAD + 1, 1, OVERHEAD + 1),
        (FRAME_MAX, TEXT_MAX, FRAME_MAX),
        (FRAME_MAX + OVERHEAD, TEXT_MAX, FRAME_MAX),
        (
            FRAME_MAX + OVERHEAD + 9,
            TEXT_MAX + 9,
            FRAME_MAX + OVERHEAD + 9,
        ),
    ] {
        let mut out = vec![0; room];
        let done = Sealer::new(key()).seal(&text, &mut out);
        assert_eq!((done.read, done.written), (read, written), "{room}");
        assert_eq!(opened(key(), &out[..written]).0.len(), read);
    }
}

#[test]
fn a_frame_waits_for_room_and_is_not_lost() {
    let stream = stream(key(), &[b"one", b"hello"]);
    let mut opener = Opener::new(key());
    let mut out = [0; 7];
    let done = opener.open(&stream, &mut out).unwrap();
    let first = OVERHEAD + 3;
    let expected = Opened {
        read: first,
        written: 3,
        next: Next::Room(5),
    };
    assert_eq!(done, expected);
    let done = opener.open(&stream[first..], &mut out).unwrap();
    assert_eq!((&out[..5], done.next), (&b"hello"[..], Next::Nothing));
}

#[test]
fn a_length_that_no_message_has_is_refused_at_once() {
    for (length, error) in [
        (0, Some(FrameError::TooShort)),
        (15, Some(FrameError::TooShort)),
        (16, None),
        (65_533, None),
        (65_534, Some(FrameError::TooLong)),
        (65_535, Some(FrameError::TooLong)),
    ] {
        let length = u16::to_be_bytes(length);
        let opened = Opener::new(key()).open(&length, &mut []);
        assert_eq!(opened.err(), error);
        // Behind a frame that is right, which is handed out first.
        let mut said = stream(key(), &[b"hello"]);
        said.truncate(OVERHEAD + 5);
        said.extend(length);
        let (text, end) = super::tests::opened(key(), &said);
        assert_eq!(text, b"hello");
        assert_eq!(end, Err(error.unwrap_or(FrameError::Truncated)));
    }
}

#[test]
fn a_flipped_bit_anywhere_ends_the_stream_before_its_frame() {
    let texts: [&[u8]; 3] = [b"one", &[7; 50], b"three"];
    let stream = stream(key(), &texts);
    let borders = [0, 21, 89, 112];
    for bit in 0..8 * stream.len() {
        let mut flipped = stream.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (text, end) = opened(key(), &flipped);
        let whole = borders.iter().filter(|border| **border <= bit / 8).count() - 1;
        assert_eq!(text, texts[..whole].concat(), "bit {bit}");
        assert!(end.is_err(), "bit {bit}");
    }
    let count = 8 * stream.len();
    println!("measured noise\tflipped bits of a stream\t{count} refused");
}

#[test]
fn a_stream_cut_anywhere_is_truncated_behind_its_whole_frames() {
    let texts: [&[u8]; 3] = [b"one", &[7; 50], b"three"];
    let stream = stream(key(), &texts);
    for cut in 0..stream.len() {
        let (text, end) = opened(key(), &stream[..cut]);
        let whole = [21, 89, 112]
            .iter()
            .filter(|border| **border <= cut)
            .count();
        assert_eq!(text, texts[..whole].concat(), "cut at {cut}");
        assert_eq!(end, Err(FrameError::Truncated), "cut at {cut}");
    }
    println!("measured noise\tcuts of a stream\t{} told", stream.len());
    assert_eq!(opened(key(), &stream).1, Ok(()));
}

#[test]
fn a_frame_that_is_repeated_dropped_or_swapped_is_forged() {
    let said = stream(key(), &[b"a", b"b"]);
    let (a, rest) = said.split_at(OVERHEAD + 1);
    let (b, goodbye) = rest.split_at(OVERHEAD + 1);
    for parts in [
        [a, a, b, goodbye],
        [b, a, goodbye, &[]],
        [a, goodbye, &[], &[]],
    ] {
        assert_eq!(opened(key(), &parts.concat()).1, Err(FrameError::Forged));
    }
}

#[test]
fn nothing_comes_after_a_goodbye() {
    let mut said = stream(key(), &[b"hello"]);
    said.extend([7; 1000]);
    assert_eq!(opened(key(), &said), (b"hello".to_vec(), Ok(())));
}

#[test]
fn the_key_is_replaced_after_so_many_messages_and_the_nonce_goes_on() {
    let texts = [&b"x"[..]; 10];
    let said = stream(key().rekeyed_after(4), &texts);
    assert_eq!(opened(key().rekeyed_after(4), &said).1, Ok(()));
    // Who does not replace it understands the first four.
    let (text, end) = opened(key(), &said);
    assert_eq!((text.len(), end), (4, Err(FrameError::Forged)));

    let mut sealer = Sealer::new(key().rekeyed_after(4));
    let mut keys = Vec::new();
    for nonce in 0..12 {
        assert_eq!(sealer.key().nonce(), nonce);
        keys.push(*sealer.key().key());
        sealer.seal(b"x", &mut [0; OVERHEAD + 1]);
    }
    keys.dedup();
    assert_eq!(keys.len(), 3);
    // As section 4.2 says it.
    let mut next = [0; 48];
    crate::crypto::seal(&keys[0], u64::MAX, &[], &[0; 32], &mut next);
    assert_eq!(keys[1], next[..32]);
}

#[test]
fn a_forged_message_counts_for_nothing() {
    let mut key = key();
    assert!(!key.open(&[0; 20], &mut [0; 4]));
    assert_eq!(key.nonce(), 0);
}

#[test]
fn a_key_is_not_shown() {
    let shown = format!("{:?}", TransportKey::new(&[0xab; 32]));
    assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
}

proptest! {
    /// Whatever comes, in whatever pieces: no panic, and no text that was not sealed.
    #[test]
    fn bytes_of_a_stranger_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let (text, end) = opened(key(), &bytes);
        prop_assert!(text.is_empty());
        prop_assert!(end.is_err());
    }

    #[test]
    fn what_goes_in_comes_out(
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..3000), 0..8),
        rekey in 1..5_u64,
    ) {
        let views: Vec<&[u8]> = texts.iter().map(|text| &text[..]).collect();
        let said = stream(key().rekeyed_after(rekey), &views);
        prop_assert_eq!(opened(key().rekeyed_after(rekey), &said), (texts.concat(), Ok(())));
    }
}
