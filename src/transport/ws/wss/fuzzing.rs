//! The body of a fuzz target.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::Pin;

/// A text is a pin in one of three forms. That of a certificate is the hash of a part of it, which is a sequence.
pub fn pins(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(pin) = text.parse::<Pin>() {
        let printed = pin.to_string();
        assert_eq!(printed.parse::<Pin>().ok(), Some(pin));
        let base64 = &printed["sha256/".len()..];
        let before = text.strip_suffix(base64);
        assert!(matches!(before, Some("" | "sha256/" | "sha256//")));
    }
    if let Ok(pin) = Pin::of_der(data) {
        let printed = pin.to_string();
        let is_of = |part| printed.ends_with(&BASE64.encode(&Sha256::digest(part)));
        let mut parts = (0..data.len()).filter_map(|at| sequence(&data[at..]));
        assert!(parts.any(is_of));
    }
    let _ = Pin::of_pem(data);
}

/// The sequence of DER (X.690, 8.1) that `data` begins with.
fn sequence(data: &[u8]) -> Option<&[u8]> {
    let (len, header) = match *data {
        [0x30, len @ ..=0x7f, ..] => (usize::from(len), 2),
        [0x30, 0x81, len, ..] => (usize::from(len), 3),
        [0x30, 0x82, high, low, ..] => (usize::from(u16::from_be_bytes([high, low])), 4),
        _ => return None,
    };
    data.get(..header + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("wss_pins", pins);
    }
}
