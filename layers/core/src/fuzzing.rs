//! Bodies of fuzz targets: whatever the bytes, none panics.

use std::error::Error as _;

use crate::{
    AppKey, FromSection as _, KeyArgs, MultiAddress, PublicKey, Seed,
    grammar::{self, SyntaxError},
    key_file,
};

/// Any text is a list of addresses that its own text reads, or is refused at a place in it.
pub fn addresses(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_strict = grammar::check(&text).is_ok();
    match text.parse::<MultiAddress>() {
        Ok(addresses) => {
            assert_eq!(read(&addresses.to_string()), addresses);
            let redacted = addresses.redacted();
            assert_eq!(read(&redacted.to_string()), redacted);
            let _ = format!("{addresses:?}");
            for section in addresses.iter().flat_map(|address| address.sections()) {
                let _ = KeyArgs::from_section(section);
            }
        }
        Err(error) => {
            assert!(!is_strict, "the grammar allows what cannot be read");
            let source = error.source().and_then(|source| source.downcast_ref());
            let place = source.map(SyntaxError::offset);
            assert!(place.is_some_and(|place| text.is_char_boundary(place)));
        }
    }
}

fn read(text: &str) -> MultiAddress {
    text.parse().expect("it was printed")
}

/// Keys, ids and key files are read as they are written, or refused.
pub fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string().parse::<PublicKey>().ok(), Some(key));
        let _ = (key.to_ssb_id(), key.to_x25519());
    }
    if let Ok(seed) = text.parse::<Seed>() {
        let again = seed.to_base64().parse().map(|seed: Seed| seed.to_base64());
        assert_eq!(again.ok(), Some(seed.to_base64()));
    }
    let _ = text.parse::<AppKey>();
    if let Ok(identity) = key_file::parse(&mut data.to_vec()) {
        let mut ours = key_file::text(&identity).as_bytes().to_vec();
        let again = key_file::parse(&mut ours).map(|identity| identity.public_key());
        assert_eq!(again, Ok(identity.public_key()));
    }
}

/// A peer id has one text and one form in bytes.
#[cfg(feature = "peer-id")]
pub fn peer_ids(data: &[u8]) {
    use crate::PeerId;

    if let Ok(id) = PeerId::from_bytes(data) {
        assert_eq!(id.to_bytes()[..], *data);
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(id) = text.parse::<PeerId>() {
        assert_eq!(id.to_string(), text);
        assert_eq!(PeerId::from_bytes(&id.to_bytes()).ok(), Some(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("addresses", addresses);
        replay("keys", keys);
        #[cfg(feature = "peer-id")]
        replay("peer_ids", peer_ids);
    }
}
