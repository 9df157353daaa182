//! Peer ids: what is read, what is written, what is signed. The vectors are those of `vectors/ragep2p.txt`.

#![cfg(test)]
#![cfg(feature = "peer-id")]

use hex::ToHex as _;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tower_multiserver_core::{ErrorKind, FromSection as _, Identity, PeerId, PublicKey, Seed};

const VECTORS: &str = include_str!("vectors/ragep2p.txt");

fn id(text: &str) -> PeerId {
    text.parse().unwrap()
}

/// The value of `name=value` in the line that begins with this.
fn field<'a>(line: &str, name: &str) -> &'a str {
    let line = VECTORS.lines().find(|l| l.starts_with(line)).unwrap();
    let mut words = line.split(' ');
    words.find_map(|word| word.strip_prefix(name)).unwrap()
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn identity(peer: &str) -> Identity {
    Identity::from_seed(&Seed::from_bytes(bytes(field(peer, "seed="))))
}

#[test]
fn the_ids_of_go_are_read_and_written_as_they_are() {
    for peer in ["A seed", "B seed", "C seed"] {
        let (key, binary) = (field(peer, "pk="), field(peer, "bin="));
        let text = field(peer, "id=");
        let expected = PeerId::from(identity(peer).public_key());
        assert_eq!(expected.public_key().as_bytes().encode_hex::<String>(), key);
        assert_eq!(id(text), expected);
        assert_eq!(expected.to_string(), text);
        assert_eq!(expected.to_bytes(), bytes(binary));
        let read = PeerId::from_bytes(&hex::decode(binary).unwrap()).unwrap();
        assert_eq!(read, expected);
    }
}

#[test]
fn the_least_and_the_greatest_id_have_52_characters_too() {
    for (byte, text) in [
        (0x00, "12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw"),
        (0xff, "12D3KooWT3gYEvLJyx1FyyHqrmvdy1tMjpgxmu9aSeKMEuafQtyC"),
    ] {
        let expected = PeerId::from(PublicKey::from_bytes([byte; 32]));
        assert_eq!((id(text), expected.to_string().as_str()), (expected, text));
        assert_eq!(text.len(), 52);
        assert_eq!(format!("{expected:?}"), format!("PeerId({text})"));
        assert_eq!(format!("{expected:>54}"), format!("  {text}"));
    }
}

#[test]
fn bytes_of_another_length_or_kind_are_no_id() {
    let good = id(field("A seed", "id=")).to_bytes();
    let is_refused = |bytes: &[u8]| {
        let error = PeerId::from_bytes(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{bytes:?}");
        // Nor is their text.
        let text = bs58::encode(bytes).into_string();
        assert!(text.parse::<PeerId>().is_err(), "{text}");
    };
    is_refused(&[]);
    is_refused(&good[..6]);
    is_refused(&good[..37]);
    is_refused(&good[1..]);
    is_refused(&[&good[..], &[0]].concat());
    is_refused(&[&[0], &good[..]].concat());
    for at in 0..6 {
        for bit in 0..8 {
            let mut bytes = good;
            bytes[at] ^= 1 << bit;
            is_refused(&bytes);
        }
    }
}

#[test]
fn texts_that_are_not_base58_or_of_another_length_are_no_id() {
    let good = field("A seed", "id=");
    for text in [
        String::new(),
        good[..51].to_owned(),
        good[1..].to_owned(),
        format!("{good}1"),
        format!("1{good}"),
        format!(" {}", &good[1..]),
        format!("{}0", &good[..51]),
        format!("{}l", &good[..51]),
        format!("{}é", &good[..50]),
        format!("z{}", &good[1..]),
        "1".repeat(52),
        "z".repeat(52),
        // Other forms of libp2p.
        format!("/p2p/{good}"),
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".to_owned(),
    ] {
        let error = text.parse::<PeerId>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
    }
}

#[test]
fn a_text_far_too_long_costs_no_time() {
    // Decoded as a whole, it would take hours.
    let text = "z".repeat(32 << 20);
    assert!(text.parse::<PeerId>().is_err());
}

#[test]
fn as_the_arguments_of_a_section_it_must_be_of_a_key_that_somebody_can_hold() {
    let read = |text: &str| PeerId::from_section(&text.parse().unwrap());
    let good = field("A seed", "id=");
    assert_eq!(read(&format!("knock:{good}")).unwrap(), id(good));
    let small_order = PeerId::from(PublicKey::from_bytes([0; 32]));
    let off_curve = PeerId::from(PublicKey::from_bytes([0xff; 32]));
    for text in [
        "knock".to_owned(),
        "knock:".to_owned(),
        format!("knock:{}", id(good).public_key()),
        format!("knock:{good}:"),
        format!("knock:{good}:{good}"),
        format!("knock:{small_order}"),
        format!("knock:{off_curve}"),
    ] {
        let error = read(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
    }
}

#[test]
fn what_is_signed_for_an_application_is_what_go_signs() {
    let long = [b'z'; 1025];
    for (message, line) in [
        (&b""[..], "domsep(test/1, len 0)"),
        (b"hello", "domsep(test/1, len 5)"),
        (&long[..1024], "domsep(test/1, len 1024)"),
        (&long, "domsep(test/1, len 1025)"),
    ] {
        let signed = PeerId::signed_bytes("test/1", message);
        assert_eq!(signed.len().to_string(), field(line, "len="));
        let hash: String = Sha256::digest(&signed).encode_hex();
        assert_eq!(hash, field(line, "sha256="));
        let whole = VECTORS.lines().find(|l| l.starts_with(line));
        if signed.len() < 1024 {
            let hex: String = signed.encode_hex();
            assert!(whole.unwrap().ends_with(&hex));
        }
    }
}

#[test]
fn a_signature_is_good_for_its_peer_domain_and_message_alone() {
    let (alice, bob) = (identity("A seed"), identity("B seed"));
    let id = PeerId::from(alice.public_key());
    for message in [&b"hello"[..], &[7; 5000]] {
        let mut signature = PeerId::sign(&alice, "test/1", message);
        assert!(id.verify("test/1", message, &signature));
        assert!(!PeerId::from(bob.public_key()).verify("test/1", message, &signature));
        assert!(!id.verify("test/2", message, &signature));
        assert!(!id.verify("test/1", &message[1..], &signature));
        assert!(!alice.public_key().verify(message, &signature));
        signature[40] ^= 1;
        assert!(!id.verify("test/1", message, &signature));
    }
}

#[cfg(feature = "serde")]
#[test]
fn in_serde_it_is_its_text() {
    let text = field("A seed", "id=");
    let json = format!("\"{text}\"");
    assert_eq!(serde_json::to_string(&id(text)).unwrap(), json);
    assert_eq!(serde_json::from_str::<PeerId>(&json).unwrap(), id(text));
    let wrong = serde_json::from_str::<PeerId>("\"12D3KooW\"").unwrap_err();
    assert!(wrong.to_string().contains("12D3KooW` and 44"), "{wrong}");
}

proptest! {
    #[test]
    fn every_key_survives_text_and_bytes(key: [u8; 32]) {
        let id = PeerId::from(PublicKey::from_bytes(key));
        let text = id.to_string();
        prop_assert!(text.len() == 52 && text.starts_with("12D3KooW"), "{}", text);
        prop_assert_eq!(text.parse::<PeerId>().unwrap(), id);
        prop_assert_eq!(PeerId::from_bytes(&id.to_bytes()).unwrap(), id);
        prop_assert_eq!(*PublicKey::from(id).as_bytes(), key);
    }

    #[test]
    fn any_text_is_an_id_with_this_text_or_none(text in "[1-9A-HJ-NP-Za-km-z]{52}|.{0,60}|12D3KooW[1-9A-Z]{44}") {
        if let Ok(id) = text.parse::<PeerId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
