//! Bodies of fuzz targets.

use arbitrary::{Result, Unstructured};

use super::*;
use crate::middleman::{change, key};

/// Ends in `ff`, so that it carries.
const NONCE: [u8; 24] = [0xff; 24];

/// A stream that somebody changed on its way comes out as far as it is whole, and one that the holder of the key made
/// badly is refused.
pub fn frames(data: &[u8]) {
    let _ = read(&mut Unstructured::new(data), &key(data));
}

fn read(u: &mut Unstructured<'_>, key: &[u8; 32]) -> Result<()> {
    let (mut wire, text) = stream(u, key)?;
    let honest = wire.clone();
    for _ in 0..u.int_in_range(0..=2)? {
        change(u, &mut wire)?;
    }
    let mut opener = Opener::new(BoxKey::new(key, NONCE));
    let (mut heard, mut there, mut rest) = (Vec::new(), Vec::new(), &wire[..]);
    let end = loop {
        let mut room = vec![0; amount(u)?];
        match opener.open(&there, &mut room) {
            Err(error) => break Err(error),
            Ok(opened) => {
                heard.extend_from_slice(&room[..opened.written]);
                there.drain(..opened.read);
                match opened.next {
                    Next::Nothing => break Ok(()),
                    Next::Sealed if rest.is_empty() => break opener.end(),
                    Next::Sealed => {
                        let count = amount(u)?.min(rest.len());
                        there.extend_from_slice(&rest[..count]);
                        rest = &rest[count..];
                        opener.pause();
                    }
                    Next::Room(length) => {
                        assert!(length <= BODY_MAX && length > room.len() - opened.written)
                    }
                    Next::Call => {}
                }
            }
        }
    };
    assert!(opener.is_over());
    assert_eq!(
        opener
            .open(&wire, &mut [0; 100])
            .map(|opened| opened.written),
        end.map(|()| 0)
    );
    match &text {
        // All frames are good ones, and `honest` is what they came to.
        Some(text) => {
            assert!(text.starts_with(&heard));
            let is_whole = wire.starts_with(&honest);
            assert_eq!(is_whole, end.is_ok(), "{end:?}");
            assert!(!is_whole || heard == *text);
        }
        None => assert!(heard.len() <= wire.len()),
    }
    Ok(())
}

/// A stream of up to eight frames with its goodbye; and its text, unless a header in it says what no header should.
fn stream(u: &mut Unstructured<'_>, key: &[u8; 32]) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let mut sealer = Sealer::new(BoxKey::new(key, NONCE));
    let (mut wire, mut text, mut is_good) = (Vec::new(), Vec::new(), true);
    for _ in 0..u.int_in_range(0..=8)? {
        match u.int_in_range(0..=5)? {
            0 => wire.extend(sealer.seal_nothing()),
            1 => {
                let mut header = [0; HEADER];
                sealer.header(u.arbitrary()?, &mut header);
                sealer.0.advance(1);
                wire.extend(header);
                is_good = false;
            }
            _ => {
                let length = u.int_in_range(1..=5000_usize)?;
                let some = vec![u.arbitrary()?; length];
                let mut out = vec![0; length + 2 * HEADER];
                let sealed = sealer.seal(&some, &mut out);
                wire.extend_from_slice(&out[..sealed.written]);
                text.extend_from_slice(&some[..sealed.read]);
            }
        }
    }
    wire.extend(sealer.goodbye());
    Ok((wire, is_good.then_some(text)))
}

/// Much, when nothing more is said.
fn amount(u: &mut Unstructured<'_>) -> Result<usize> {
    match u.is_empty() {
        true => Ok(5000),
        false => u.int_in_range(0..=5000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("box_stream", frames);
    }
}
