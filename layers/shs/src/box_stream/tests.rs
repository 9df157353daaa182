//! What must hold of every stream.

use crate::secretbox;

use super::{
    vectors::{opened, sealed},
    *,
};

#[test]
fn sealing_fills_the_room_and_no_more() {
    let text = vec![5; 3 * BODY_MAX];
    for (room, read, written) in [
        (0, 0, 0),
        (HEADER, 0, 0),
        (HEADER + 1, 1, HEADER + 1),
        (HEADER + BODY_MAX + HEADER, BODY_MAX, HEADER + BODY_MAX),
        (
            2 * HEADER + BODY_MAX + 9,
            BODY_MAX + 9,
            2 * HEADER + BODY_MAX + 9,
        ),
    ] {
        let mut sealer = Sealer::new(BoxKey::new(&[1; 32], [2; 24]));
        let mut out = vec![0; room];
        let done = sealer.seal(&text, &mut out);
        assert_eq!((done.read, done.written), (read, written), "{room}");
        if written > 0 {
            let mut opener = Opener::new(BoxKey::new(&[1; 32], [2; 24]));
            assert_eq!(opened(&mut opener, &out[..written]).0.len(), read);
        }
    }
}

#[test]
fn frames_are_those_of_secretbox_wherever_the_nonce_carries_into_its_high_bytes() {
    for (high, before) in [0, 7, 0xff]
        .into_iter()
        .flat_map(|high| (0..8).map(move |before| (high, before)))
    {
        let mut nonce = [high; 24];
        nonce[16..].fill(0xff);
        nonce[23] -= before;
        let key = || BoxKey::new(&[1; 32], nonce);
        let (mut sealer, mut opener) = (Sealer::new(key()), Opener::new(key()));
        let (mut said, mut stream, mut nonce) = (vec![], vec![], nonce);
        for length in [0, 5, 33, 0, BODY_MAX] {
            let text = vec![length as u8; length];
            let frame = match length {
                0 => sealer.seal_nothing().into(),
                _ => sealed(&mut sealer, &text),
            };
            assert_eq!(frame, with_secretbox(&mut nonce, &text), "{nonce:?}");
            stream.extend(frame);
            said.extend(text);
        }
        let goodbye = sealer.goodbye();
        assert_eq!(goodbye[..], boxed(&nonce, &[0; 18]));
        stream.extend(goodbye);
        assert_eq!(opened(&mut opener, &stream), (said, Ok(())));
    }
}

/// A frame as the format is described. It counts the nonce on.
fn with_secretbox(nonce: &mut [u8; 24], text: &[u8]) -> Vec<u8> {
    let of_header = *nonce;
    count(nonce);
    let body = boxed(nonce, text);
    count(nonce);
    let header = [&(text.len() as u16).to_be_bytes(), &body[..16]].concat();
    [&boxed(&of_header, &header), &body[16..]].concat()
}

fn boxed(nonce: &[u8; 24], text: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; text.len()];
    let tag = secretbox::seal(&[1; 32], nonce, text, &mut sealed);
    [&tag[..], &sealed].concat()
}

fn count(nonce: &mut [u8; 24]) {
    for byte in nonce.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte > 0 {
            return;
        }
    }
}

#[test]
fn a_frame_waits_for_room_and_is_not_lost() {
    let mut sealer = Sealer::new(BoxKey::new(&[1; 32], [2; 24]));
    let frame = sealed(&mut sealer, b"hello");
    let mut opener = Opener::new(BoxKey::new(&[1; 32], [2; 24]));
    let mut out = [0; 4];
    let done = opener.open(&frame, &mut out).unwrap();
    assert_eq!(
        (done.read, done.written, done.next),
        (HEADER, 0, Next::Room(5))
    );
    let mut out = [0; 5];
    let done = opener.open(&frame[HEADER..], &mut out).unwrap();
    assert_eq!((done.read, done.written, done.next), (5, 5, Next::Sealed));
    assert_eq!(&out, b"hello");
}

#[test]
fn empty_frames_are_passed_over_in_turns() {
    let mut sealer = Sealer::new(BoxKey::new(&[1; 32], [2; 24]));
    let mut opener = Opener::new(BoxKey::new(&[1; 32], [2; 24]));
    let stream = nothing(&mut sealer, 100);
    let first = opener.open(&stream, &mut []).unwrap();
    assert_eq!(
        (first.read, first.written, first.next),
        (64 * HEADER, 0, Next::Call)
    );
    let second = opener.open(&stream[first.read..], &mut []).unwrap();
    assert_eq!(
        (second.read, second.written, second.next),
        (36 * HEADER, 0, Next::Sealed)
    );
}

#[test]
fn empty_frames_without_a_pause_or_a_byte_are_refused_in_the_end() {
    let mut sealer = Sealer::new(BoxKey::new(&[1; 32], [2; 24]));
    let mut opener = Opener::new(BoxKey::new(&[1; 32], [2; 24]));
    fn open(opener: &mut Opener, stream: &[u8]) -> Result<(), BoxStreamError> {
        let mut read = 0;
        loop {
            let opened = opener.open(&stream[read..], &mut [0; 1])?;
            read += opened.read;
            if opened.next == Next::Sealed {
                return Ok(());
            }
        }
    }
    let most = 16_383;
    open(&mut opener, &nothing(&mut sealer, most)).unwrap();
    open(&mut opener, &sealed(&mut sealer, b"x")).unwrap();
    open(&mut opener, &nothing(&mut sealer, most)).unwrap();
    opener.pause();
    open(&mut opener, &nothing(&mut sealer, most)).unwrap();
    let end = open(&mut opener, &nothing(&mut sealer, 1));
    assert_eq!(end, Err(BoxStreamError::Empty));
}

fn nothing(sealer: &mut Sealer, frames: usize) -> Vec<u8> {
    (0..frames).flat_map(|_| sealer.seal_nothing()).collect()
}

#[test]
fn every_error_of_the_stream_has_its_kind() {
    for (error, kind) in [
        (BoxStreamError::Forged, io::ErrorKind::InvalidData),
        (BoxStreamError::TooLong, io::ErrorKind::InvalidData),
        (BoxStreamError::Empty, io::ErrorKind::InvalidData),
        (BoxStreamError::Truncated, io::ErrorKind::UnexpectedEof),
    ] {
        let outer = io::Error::from(error);
        assert_eq!(outer.kind(), kind);
        let inner = outer.get_ref().and_then(|inner| inner.downcast_ref());
        assert_eq!(inner, Some(&error));
    }
}
