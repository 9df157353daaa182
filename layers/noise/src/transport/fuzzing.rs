//! The body of a fuzz target.

use arbitrary::{Result, Unstructured};
use tower_multiserver_core::sealed::Next;

use super::*;
use crate::middleman::{change, key};

/// A stream that somebody changed on its way comes out as far as it is whole.
pub fn frames(data: &[u8]) {
    let _ = read(&mut Unstructured::new(data), &key(data));
}

fn read(u: &mut Unstructured<'_>, key: &[u8; 32]) -> Result<()> {
    let (mut wire, text) = stream(u, key)?;
    let honest = wire.clone();
    for _ in 0..u.int_in_range(0..=2)? {
        change(u, &mut wire)?;
    }
    let mut opener = Opener::new(TransportKey::new(key));
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
                    }
                    Next::Room(length) => {
                        assert!(length <= TEXT_MAX && length > room.len() - opened.written)
                    }
                    Next::Call => {}
                }
            }
        }
    };
    assert!(opener.is_over());
    let again = opener.open(&wire, &mut [0; 100]);
    assert_eq!(again.map(|opened| opened.written), end.map(|()| 0));
    assert!(text.starts_with(&heard));
    assert_eq!(wire.starts_with(&honest), end.is_ok(), "{end:?}");
    assert!(end.is_err() || heard == text);
    Ok(())
}

/// A stream of up to eight frames with its goodbye, and its text.
fn stream(u: &mut Unstructured<'_>, key: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut sealer = Sealer::new(TransportKey::new(key));
    let (mut wire, mut text) = (Vec::new(), Vec::new());
    for _ in 0..u.int_in_range(0..=8)? {
        let some = vec![u.arbitrary()?; length(u)?];
        let mut out = vec![0; some.len() + 2 * OVERHEAD];
        let sealed = sealer.seal(&some, &mut out);
        wire.extend_from_slice(&out[..sealed.written]);
        text.extend_from_slice(&some[..sealed.read]);
    }
    wire.extend(sealer.goodbye());
    Ok((wire, text))
}

/// Mostly short, so that most runs are.
fn length(u: &mut Unstructured<'_>) -> Result<usize> {
    match u.int_in_range(0..=15)? {
        0 => u.int_in_range(0..=70_000),
        _ => u.int_in_range(0..=300),
    }
}

/// Much, when nothing more is said.
fn amount(u: &mut Unstructured<'_>) -> Result<usize> {
    match u.is_empty() {
        true => Ok(70_000),
        false => length(u),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("noise_frames", frames);
    }
}
