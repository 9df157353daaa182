//! The operations on the curve that a handshake needs, each by the fastest of several libraries.

use curve25519_dalek::MontgomeryPoint;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use graviola::{
    key_agreement::x25519::{PublicKey, StaticPrivateKey},
    signing::eddsa::{Ed25519SigningKey, Ed25519VerifyingKey},
};

use crate::Result;

use super::{Parts, time};

/// What a side of Secret Handshake does at least: its ephemeral key, three shared secrets, a signature, the check of
/// one, and the conversion of the peer's key with the check that it is in the subgroup of prime order.
pub(crate) const OF_A_SIDE: [(&str, f64); 5] = [
    ("x25519 of the base", 1.0),
    ("x25519", 3.0),
    ("sign", 1.0),
    ("verify", 1.0),
    ("convert", 1.0),
];

pub(super) fn measure(parts: &mut Parts) -> Result<()> {
    let secret = [9; 32];
    let dalek = SigningKey::from_bytes(&secret);
    let public = dalek.verifying_key().to_bytes();
    let point = dalek.verifying_key().to_montgomery().to_bytes();
    let message = [3; 160];
    let signature = dalek.sign(&message);
    let static_key = StaticPrivateKey::from_array(&secret);
    let signing = Ed25519SigningKey::from_bytes(&secret).map_err(|_| "no key")?;

    let measured = [
        (
            "x25519 of the base, dalek",
            time(|| MontgomeryPoint::mul_base_clamped(secret))?,
        ),
        (
            "x25519 of the base, graviola",
            time(|| static_key.public_key())?,
        ),
        (
            "x25519, dalek",
            time(|| MontgomeryPoint(point).mul_clamped(secret))?,
        ),
        (
            "x25519, graviola",
            time(|| {
                let peer = PublicKey::from_array(&point);
                StaticPrivateKey::from_array(&secret)
                    .diffie_hellman(&peer)
                    .is_ok()
            })?,
        ),
        ("sign, dalek", time(|| dalek.sign(&message))?),
        ("sign, graviola", time(|| signing.sign(&message))?),
        (
            "verify, dalek",
            time(|| {
                let key = VerifyingKey::from_bytes(&public);
                key.is_ok_and(|key| key.verify_strict(&message, &signature).is_ok())
            })?,
        ),
        (
            "verify, graviola",
            time(|| {
                let key = Ed25519VerifyingKey::from_bytes(&public);
                key.is_ok_and(|key| key.verify(&signature.to_bytes(), &message).is_ok())
            })?,
        ),
        (
            "convert, dalek",
            time(|| {
                let key = VerifyingKey::from_bytes(&public);
                key.map(|key| (key.to_edwards().is_torsion_free(), key.to_montgomery()))
            })?,
        ),
    ];
    parts.extend(measured.map(|(name, seconds)| (name.to_owned(), seconds)));
    Ok(())
}
