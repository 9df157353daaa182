//! What a peer can send to take memory or time from us, or more bytes than it was allowed to.

use super::*;

const ZEROS: usize = 40 << 20;

fn limited(format: &'static Format, bytes: Option<u64>, ratio: Option<u32>) -> Decompressor {
    Decompressor::new(format, Limits { bytes, ratio }, true)
}

/// Feeds `piece` again and again, and says after how many bytes of it something failed.
fn feed(decompressor: &mut Decompressor, piece: &[u8]) -> (usize, CompressionError) {
    let mut fed = 0;
    loop {
        fed += piece.len();
        assert!(fed < 1 << 30, "it takes anything");
        if let (_, Err(error)) = drive(decompressor, piece, 4096) {
            return (fed, error);
        }
    }
}

fn assert_empty(decompressor: &mut Decompressor, piece: &[u8]) {
    let (fed, error) = feed(decompressor, piece);
    assert_eq!(error, CompressionError::Empty);
    assert!(fed as u64 <= EMPTY_MAX + piece.len() as u64, "{fed}");
}

#[test]
fn a_total_limit_lets_exactly_so_many_bytes_through() {
    for format in ALL {
        let text = text(10_000);
        let stream = compress(format, &text);
        let heard = read_all(&mut limited(format, Some(10_000), None), &stream);
        assert_eq!(heard, (text.clone(), Ok(())), "{format:?}");
        let (all, end) = read_all(&mut limited(format, Some(9_999), None), &stream);
        assert_eq!(end, Err(CompressionError::Bytes(9_999)), "{format:?}");
        assert_eq!(all, text[..9_999], "{format:?}");
    }
}

#[test]
fn a_ratio_limit_stops_a_bomb_behind_its_first_mebibyte() {
    for format in ALL {
        let bomb = compress(format, &vec![0; ZEROS]);
        assert!(bomb.len() * 900 < ZEROS, "{format:?}");
        let (all, end) = read_all(&mut limited(format, None, Some(200)), &bomb);
        assert_eq!(end, Err(CompressionError::Ratio(200)), "{format:?}");
        let allowed = (200 * bomb.len()).max(1 << 20);
        let count = all.len();
        assert!((1 << 20..=allowed).contains(&count), "{format:?}: {count}");
    }
}

#[test]
fn a_ratio_limit_does_not_mind_a_short_bomb_or_long_text() {
    for format in ALL {
        for text in [vec![0; 1 << 20], text(3 << 20)] {
            let stream = compress(format, &text);
            let (all, end) = read_all(&mut limited(format, None, Some(200)), &stream);
            assert_eq!((all == text, end), (true, Ok(())), "{format:?}");
        }
    }
}

#[test]
fn a_bomb_without_limits_gives_what_it_holds() {
    for format in ALL {
        let bomb = compress(format, &vec![0; ZEROS]);
        let (all, end) = read_all(&mut decompressor(format), &bomb);
        assert_eq!((all.len(), end), (ZEROS, Ok(())), "{format:?}");
    }
}

#[test]
fn endless_empty_members_are_a_limit() {
    for format in ALL.iter().filter(|format| format.has_members) {
        let piece = compress(format, b"");
        assert_empty(&mut decompressor(format), &piece);
        // And some are none.
        let some = [piece.repeat(1000), compress(format, b"one")].concat();
        let (all, end) = read_all(&mut decompressor(format), &some);
        assert_eq!((&*all, end), (&b"one"[..], Ok(())));
    }
}

#[cfg(feature = "gzip")]
mod gzip {
    use super::*;
    use crate::format::gzip::FORMAT;

    /// With the flag for a name behind it, of which nothing is here yet.
    const NAMED: [u8; 10] = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255];

    #[test]
    fn a_name_without_end_is_a_limit() {
        let mut decompressor = decompressor(&FORMAT);
        drive(&mut decompressor, &NAMED, 9).1.unwrap();
        assert_empty(&mut decompressor, &[b'n'; 1000]);
    }

    #[test]
    fn a_name_is_passed_over() {
        let plain = compress(&FORMAT, b"one");
        let named = [&NAMED[..], b"name.txt\0", &plain[10..]].concat();
        let heard = read_all(&mut decompressor(&FORMAT), &named);
        assert_eq!(heard, (b"one".to_vec(), Ok(())));
    }

    #[test]
    fn endless_empty_stored_blocks_are_a_limit() {
        let mut decompressor = decompressor(&FORMAT);
        let header = &compress(&FORMAT, b"")[..10];
        drive(&mut decompressor, header, 9).1.unwrap();
        assert_empty(&mut decompressor, &[0, 0, 0, 255, 255]);
    }
}

#[cfg(feature = "zstd")]
mod zstd {
    use super::*;
    use crate::format::zstd::FORMAT;

    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    /// No content: a raw block, the last one.
    const EMPTY_BLOCK: [u8; 3] = [1, 0, 0];

    fn end_of(frame: &[&[u8]]) -> Result<(), CompressionError> {
        read_all(&mut decompressor(&FORMAT), &frame.concat()).1
    }

    #[test]
    fn a_window_beyond_8_mebibytes_is_refused_at_its_header() {
        assert_eq!(end_of(&[&MAGIC, &[0, 13 << 3], &EMPTY_BLOCK]), Ok(()));
        // 9 MiB, 16 MiB, 2 GiB, and the largest that there can be.
        for descriptor in [(13 << 3) + 1, 14 << 3, 21 << 3, 255] {
            let end = end_of(&[&MAGIC, &[0, descriptor], &EMPTY_BLOCK]);
            assert_eq!(end, Err(CompressionError::Window), "{descriptor}");
        }
    }

    /// A frame without a window is its own window.
    #[test]
    fn a_content_size_of_8_exbibytes_is_refused_at_its_header() {
        let size = (1_u64 << 63).to_le_bytes();
        let end = end_of(&[&MAGIC, &[0xe0], &size, &EMPTY_BLOCK]);
        assert_eq!(end, Err(CompressionError::Window));
    }

    #[test]
    fn a_skippable_frame_of_4_gibibytes_is_a_limit() {
        let mut decompressor = decompressor(&FORMAT);
        let header = [0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255];
        drive(&mut decompressor, &header, 9).1.unwrap();
        assert_empty(&mut decompressor, &[0; 1000]);
    }

    #[test]
    fn endless_skippable_frames_are_a_limit() {
        let frame = [0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7];
        assert_empty(&mut decompressor(&FORMAT), &frame);
    }

    #[test]
    fn a_skippable_frame_is_neither_content_nor_the_end() {
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7];
        let end = read_all(&mut decompressor(&FORMAT), &skippable).1;
        assert_eq!(end, Err(CompressionError::Truncated));
        let mut decompressor = Decompressor::new(&FORMAT, Limits::default(), false);
        let stream = [&skippable[..], &compress(&FORMAT, b"one")].concat();
        let heard = drive(&mut decompressor, &stream, 9);
        assert_eq!(heard, (b"one".to_vec(), Ok(Next::Nothing)));
    }

    /// Four bytes that become 128 KiB, for ever.
    #[test]
    fn a_bomb_of_repeated_bytes_is_stopped_by_either_limit() {
        let block = [2, 0, 16, b'x'];
        for (bytes, ratio, expected) in [
            (Some(64 << 20), None, CompressionError::Bytes(64 << 20)),
            (None, Some(200), CompressionError::Ratio(200)),
        ] {
            let mut decompressor = limited(&FORMAT, bytes, ratio);
            let header = [&MAGIC[..], &[0, 13 << 3]].concat();
            drive(&mut decompressor, &header, 9).1.unwrap();
            let (fed, error) = feed(&mut decompressor, &block);
            assert_eq!(error, expected);
            assert!(fed < 4096, "{fed}");
        }
    }
}

#[cfg(feature = "brotli")]
#[test]
fn a_window_of_brotli_beyond_4_mebibytes_is_refused_at_its_first_byte() {
    let format = &crate::format::brotli::FORMAT;
    // 8 MiB, 16 MiB, and the extension for up to 1 GiB.
    for first in [0x0d, 0x3d, 0x0f, 0x1f, 0xff, 0x11, 0x91] {
        let end = decompressor(format).decode(&[first], &mut [0; 9]);
        assert_eq!(end, Err(CompressionError::Window), "{first:#x}");
    }
    // 4 MiB, and the last block behind it, which is empty.
    let heard = read_all(&mut decompressor(format), &[0x0b | 0x30]);
    assert_eq!(heard, (Vec::new(), Ok(())));
}
