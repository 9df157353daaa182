//! What is chosen is the same as the portable code.

use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
use proptest::prelude::*;

use super::*;

const BELOW_TWO: [u8; 32] = {
    let mut text = [0xff; 32];
    text[31] = 0x7f;
    text
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn secrets_are_shared_alike(secret: [u8; 32], public: [u8; 32]) {
        prop_assert_eq!(public_key(&secret), portable::public_key(&secret));
        let shared = portable::shared_secret(&secret, &public);
        prop_assert_eq!(shared_secret(&secret, &public), shared);
    }

    #[test]
    fn signatures_are_alike(seed: [u8; 32], message: Vec<u8>, flipped in 0..512_usize) {
        let (key, portable) = (SigningKey::new(&seed), portable::SigningKey::new(&seed));
        let public = key.verifying_key().to_bytes();
        let mut signature = key.sign(&message);
        prop_assert_eq!(signature, portable.sign(&message));
        prop_assert!(verify(&public, &message, &signature));
        signature[flipped / 8] ^= 1 << (flipped % 8);
        prop_assert!(!verify(&public, &message, &signature));
    }
}

#[test]
fn a_secret_of_a_point_of_small_order_is_no_secret() {
    let points = EIGHT_TORSION.map(|point| point.to_montgomery().to_bytes());
    for point in points {
        assert_eq!(shared_secret(&[9; 32], &point), None);
        assert_eq!(portable::shared_secret(&[9; 32], &point), None);
    }
}

#[test]
fn x25519_takes_numbers_that_are_not_reduced() {
    for low in 0xed..=0xff {
        for high in [0x7f, 0xff] {
            let mut public = BELOW_TWO;
            (public[0], public[31]) = (low, high);
            let expected = portable::shared_secret(&[9; 32], &public);
            assert_eq!(
                shared_secret(&[9; 32], &public),
                expected,
                "{low:x} {high:x}"
            );
        }
    }
}

/// Keys and points of small or mixed order, and texts that are not canonical, with signatures that the bare equation holds
/// for.
#[test]
fn both_are_equally_strict() {
    let (mut accepted, mut refused) = (0, 0);
    let mut both = |key: [u8; 32], message: &[u8], signature: &[u8; 64]| {
        let is_right = portable::verify(&key, message, signature);
        assert_eq!(verify(&key, message, signature), is_right, "{key:x?}");
        *(if is_right {
            &mut accepted
        } else {
            &mut refused
        }) += 1;
    };
    let scalar = Scalar::from(77_u8);
    for torsion in EIGHT_TORSION {
        // Any message is signed by a key of small order with (s·B, s) when its multiple vanishes, which some do.
        let point = EdwardsPoint::mul_base(&scalar).compress().to_bytes();
        for message in 0..32_u8 {
            let signature = [point, scalar.to_bytes()].concat();
            let signature = signature.try_into().unwrap();
            both(torsion.compress().to_bytes(), &[message], &signature);
            let signature = [torsion.compress().to_bytes(), [0; 32]].concat();
            let signature = signature.try_into().unwrap();
            both(torsion.compress().to_bytes(), &[message], &signature);
        }
        // A key of mixed order whose signatures hold for one message in eight.
        let key = SigningKey::new(&[5; 32]);
        let mixed = key.verifying_key().to_edwards() + torsion;
        for message in 0..32_u8 {
            let signature = key.sign(&[message]);
            both(mixed.compress().to_bytes(), &[message], &signature);
        }
    }
    // `y` that is not reduced: 2²⁵⁵ − 19 + 3 and others that are on the curve.
    for low in 0xed..=0xff {
        let mut text = BELOW_TWO;
        text[0] = low;
        for key in [text, {
            text[31] = 0xff;
            text
        }] {
            both(key, b"", &[0; 64]);
            assert_eq!(to_x25519(&key), None);
        }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} {refused}");
}
