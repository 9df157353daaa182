//! Bodies of fuzz targets.

use peeroxide_dht::{hyperdht_messages::*, messages::decode_message};

use crate::{FromSection as _, Section};

use super::{
    lookup,
    names::{Key, MaybeKey, Topic},
};

pub use super::udx::fuzzing::{packets, streams};

/// The arguments of a section are read as they are written, or refused.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let section = Section::new("hyperswarm").arg(&text);
    if let Ok(topic) = Topic::from_section(&section) {
        assert_eq!(topic.to_string().parse::<Topic>().ok(), Some(topic));
    }
    if let Ok(Key(key)) = Key::from_section(&section) {
        let again = Key::from_section(&super::names::key_section(&key));
        assert_eq!(again.ok(), Some(Key(key)));
    }
    let _ = MaybeKey::from_section(&section);
    if let Ok(section) = text.parse::<Section>() {
        let _ = Topic::of_section(&section);
    }
}

/// Whatever a node of the DHT or a peer by way of it says is read, or refused; what is handed on says the same.
pub fn messages(data: &[u8]) {
    let _ = decode_message(data);
    let _ = decode_noise_payload_from_bytes(data);
    let _ = decode_announce_from_bytes(data);
    let _ = decode_mutable_put_request_from_bytes(data);
    if let Ok(message) = decode_handshake_from_bytes(data) {
        let written = encode_handshake_to_bytes(&message).expect("it was read");
        assert_eq!(decode_handshake_from_bytes(&written).ok(), Some(message));
    }
    if let Ok(message) = decode_holepunch_msg_from_bytes(data) {
        let written = encode_holepunch_msg_to_bytes(&message).expect("it was read");
        assert_eq!(
            decode_holepunch_msg_from_bytes(&written).ok(),
            Some(message)
        );
    }
    if let Some(keys) = lookup::read(data) {
        assert!(keys.len() <= data.len() / 33);
        let peers = keys.iter().map(|key| HyperPeer {
            public_key: *key.as_bytes(),
            relay_addresses: Vec::new(),
        });
        let answer = LookupRawReply {
            peers: peers.collect(),
            bump: 0,
        };
        let written = encode_lookup_raw_reply_to_bytes(&answer).expect("it was read");
        assert_eq!(lookup::read(&written), Some(keys));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("hyper_names", names);
        replay("dht_messages", messages);
        replay("udx_packets", packets);
        replay("udx_streams", streams);
    }
}
