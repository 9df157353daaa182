//! Base64 (RFC 4648, section 4) of a known number of bytes, without a copy left behind.

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

/// Reads exactly `N` bytes. The padding may be missing, all else must be canonical: a key has one text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let unpadded = text.trim_end_matches('=');
    let is_padded = text.len() == BASE64.encode_len(N);
    if unpadded.len() != BASE64_NOPAD.encode_len(N) || !(is_padded || text.len() == unpadded.len())
    {
        return None;
    }
    let mut bytes = Zeroizing::new([0; N]);
    // It also refuses bits that stand for nothing.
    BASE64_NOPAD
        .decode_mut(unpadded.as_bytes(), &mut *bytes)
        .ok()?;
    Some(bytes)
}

/// With padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=";

    #[test]
    fn padding_may_be_missing_but_not_wrong() {
        let bytes = decode::<32>(TEXT).unwrap();
        assert_eq!(encode(&*bytes), TEXT);
        assert_eq!(decode(TEXT.trim_end_matches('=')), Some(bytes));
        for wrong in [
            format!("{TEXT}="),
            format!("{TEXT}=="),
            format!("={TEXT}"),
            TEXT.replace('=', "A="),
        ] {
            assert_eq!(decode::<32>(&wrong), None, "{wrong}");
        }
        let long = encode(&[7; 64]);
        assert!(decode::<64>(&long).is_some());
        assert!(decode::<64>(&long[..86]).is_some());
        assert_eq!(decode::<64>(&long[..87]), None);
    }

    #[test]
    fn only_the_canonical_text_of_the_right_length_is_read() {
        for wrong in [
            "",
            "=",
            &encode(&[7; 31]),
            &encode(&[7; 33]),
            &TEXT.replace("s=", "t="), // Bits that stand for nothing.
            &TEXT.replace('/', "_"),
            &TEXT.replace("n/", "n\n"),
            &TEXT.replace("n/", "é"),
            &format!(" {}", &TEXT[1..]),
        ] {
            assert_eq!(decode::<32>(wrong), None, "{wrong}");
        }
    }
}
