//! Any text, in any pieces; and any bytes.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::*;

fn formats() -> impl Strategy<Value = &'static Format> {
    select(ALL)
}

/// Noise, runs and repetitions.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..20_000_usize).prop_map(|(byte, length)| vec![byte; length]),
        (vec(any::<u8>(), 1..20), 0..200_usize).prop_map(|(text, times)| text.repeat(times)),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_goes_in_comes_out_in_whatever_pieces(
        format in formats(),
        text in texts(),
        inputs in vec(1..2000_usize, 1..5),
        output in 1..5000_usize,
    ) {
        let stream = compress(format, &text);
        let mut decompressor = decompressor(format);
        let (mut all, mut rest) = (Vec::new(), &stream[..]);
        for length in inputs.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*length));
            let (more, end) = drive(&mut decompressor, piece, output);
            prop_assert!(end.is_ok(), "{:?}", end);
            all.extend(more);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        decompressor.end();
        prop_assert!(decompressor.decode(&[], &mut [0]).is_ok());
        prop_assert!(decompressor.is_over());
        prop_assert!(all == text);
    }

    /// No panic, no endless loop, and the same answer again.
    #[test]
    fn whatever_comes_has_an_end(
        format in formats(),
        noise in vec(any::<u8>(), 0..200),
        is_noise in any::<bool>(),
        text in texts(),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        output in 1..5000_usize,
    ) {
        let mut stream = if is_noise { noise } else { compress(format, &text) };
        if !stream.is_empty() {
            for (at, byte) in changes {
                *at.get_mut(&mut stream) = byte;
            }
        }
        let mut decompressor = decompressor(format);
        let end = drive(&mut decompressor, &stream, output).1.map(drop);
        if decompressor.is_over() {
            let again = decompressor.decode(b"more", &mut [0; 9]).map(drop);
            prop_assert_eq!(again, end);
        }
    }
}
