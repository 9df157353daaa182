//! Keys: what is read, what is verified, what is never shown.

#![cfg(test)]

use std::collections::HashSet;

use curve25519_dalek::MontgomeryPoint;
use serde_json::Value;
use tower_multiserver_core::{AppKey, ErrorKind, Identity, PublicKey, Seed, UsableKey};

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn key(hex: &str) -> PublicKey {
    PublicKey::from_bytes(bytes(hex))
}

fn identity() -> Identity {
    let seed = "421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee";
    Identity::from_seed(&Seed::from_bytes(bytes(seed)))
}

/// The neutral element, the point of order 2, those of order 4 and 8, and some of them not reduced.
const SMALL_ORDER: [&str; 9] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn of_the_cases_on_which_verifiers_disagree_those_of_libsodium_are_accepted() {
    let cases = include_str!("vectors/ed25519-speccheck/cases.json");
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    assert_eq!(cases.len(), 12);
    let accepted = cases.iter().enumerate().filter(|(_, case)| {
        let text = |name: &str| case[name].as_str().unwrap();
        let message = hex::decode(text("message")).unwrap();
        key(text("pub_key")).verify(&message, &bytes(text("signature")))
    });
    let accepted: Vec<_> = accepted.map(|(index, _)| index).collect();
    assert_eq!(accepted, [3]);
}

#[test]
fn wycheproofs_verdicts_are_ours() {
    let file = include_str!("vectors/wycheproof/ed25519_test.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let mut seen = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let key = key(group["publicKey"]["pk"].as_str().unwrap());
        for case in group["tests"].as_array().unwrap() {
            seen += 1;
            let message = hex::decode(case["msg"].as_str().unwrap()).unwrap();
            let signature = hex::decode(case["sig"].as_str().unwrap()).unwrap();
            let valid = case["result"] == "valid";
            // A signature of another length cannot even be asked about.
            let verified = <&[u8; 64]>::try_from(&*signature)
                .is_ok_and(|signature| key.verify(&message, signature));
            assert_eq!(verified, valid, "{}", case["tcId"]);
        }
    }
    assert_eq!(seen, 151);
    println!("measured core\tWycheproof, Ed25519\t{seen} cases");
}

#[test]
fn a_signature_is_good_for_its_message_and_key_alone() {
    let (ours, theirs) = (identity(), Identity::generate().unwrap());
    let signature = ours.sign(b"message");
    assert!(ours.public_key().verify(b"message", &signature));
    assert!(!ours.public_key().verify(b"massage", &signature));
    assert!(!theirs.public_key().verify(b"message", &signature));
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // R = the key, S = 0 satisfies the equation for many messages.
    for small in SMALL_ORDER {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(key(small).as_bytes());
        for message in 0..64 {
            assert!(!key(small).verify(&[message], &signature), "{small}");
        }
    }
}

#[test]
fn both_halves_convert_to_x25519_as_in_libsodium() {
    // From libsodium's test of its own conversion.
    let secret = "8052030376d47112be7f73ed7a019293dd12ad910b654455798b4667d73de166";
    let public = "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50";
    assert_eq!(*identity().x25519_secret(), bytes(secret));
    assert_eq!(identity().public_key().to_x25519(), Some(bytes(public)));
    for _ in 0..20 {
        let identity = Identity::generate().unwrap();
        let public = MontgomeryPoint::mul_base_clamped(*identity.x25519_secret());
        assert_eq!(identity.public_key().to_x25519(), Some(public.to_bytes()));
    }
}

#[test]
fn a_key_that_is_no_good_point_does_not_convert() {
    let off_the_curve = "0200000000000000000000000000000000000000000000000000000000000000";
    // y = 3, written as 3 + p; and with a component of order 8.
    let not_reduced = "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let mixed_order = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d";
    for hex in [off_the_curve, not_reduced, mixed_order] {
        assert_eq!(key(hex).to_x25519(), None, "{hex}");
        let error = UsableKey::try_from(key(hex)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{hex}");
    }
    for hex in SMALL_ORDER {
        assert_eq!(key(hex).to_x25519(), None, "{hex}");
        let error = UsableKey::try_from(key(hex)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{hex}");
    }
}

#[test]
fn a_key_pair_must_belong_together() {
    let pair = identity().to_keypair_bytes();
    let read = Identity::from_keypair_bytes(&pair).unwrap();
    assert_eq!(read.public_key(), identity().public_key());
    assert_eq!(read.seed(), identity().seed());
    for byte in 0..64 {
        let mut wrong = pair.clone();
        wrong[byte] ^= 1;
        let error = Identity::from_keypair_bytes(&wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    }
}

#[test]
fn a_public_key_is_read_from_each_of_its_texts_and_printed_in_one() {
    let text = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=";
    let id = format!("@{text}.ed25519");
    let unpadded = text.trim_end_matches('=');
    for given in [text, unpadded, &id, &format!("@{unpadded}.ed25519")] {
        let key: PublicKey = given.parse().unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!(key.to_ssb_id(), id);
    }
    for wrong in [
        "",
        "@",
        "@.ed25519",
        &format!("@{text}"),
        &format!("{text}.ed25519"),
        &format!("@{text}.ed25519 "),
        &format!("@{text}.k256"),
        &format!("@@{text}.ed25519"),
        &text.replace('/', "_"),
        &text.replace("s=", "t="),
    ] {
        let error = wrong.parse::<PublicKey>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{wrong}");
    }
}

#[test]
fn secrets_are_read_compared_and_never_shown() {
    let ssb = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=";
    assert_eq!(ssb.parse::<AppKey>().unwrap(), AppKey::SSB);
    assert_ne!(AppKey::from_bytes([0; 32]), AppKey::SSB);

    let seed: Seed = ssb.parse().unwrap();
    assert_eq!(*seed.to_base64(), ssb);
    for byte in 0..32 {
        let mut other = *seed.as_bytes();
        other[byte] ^= 0x80;
        assert_ne!(Seed::from_bytes(other), seed);
    }

    let shown = format!(
        "{seed:?} {:#?} {:?}",
        AppKey::SSB,
        Identity::from_seed(&seed)
    );
    let public = Identity::from_seed(&seed).public_key().to_string();
    assert_eq!(
        shown,
        format!("Seed {{ .. }} AppKey {{ .. }} Identity(PublicKey({public}))")
    );
}

#[test]
fn an_error_does_not_repeat_the_secret_it_could_not_read() {
    let wrong = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/t=";
    let error = wrong.parse::<Seed>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    assert!(!format!("{error} {error:?}").contains("1KHL"));
}

#[test]
fn no_two_identities_are_alike() {
    let keys = (0..50).map(|_| Identity::generate().unwrap().public_key());
    assert_eq!(HashSet::<PublicKey>::from_iter(keys).len(), 50);
}

#[cfg(feature = "serde")]
#[test]
fn a_public_key_is_a_text_in_serde() {
    let key = identity().public_key();
    let json = serde_json::to_string(&key).unwrap();
    assert_eq!(json, format!("\"{key}\""));
    assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key);
    assert!(serde_json::from_str::<PublicKey>("\"AAAA\"").is_err());
}
