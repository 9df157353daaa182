//! The certificate that says no more than a key, and the key that a peer's certificate says.

use rustls::{CertificateError, pki_types::CertificateDer, server::ParsedCertificate};
use tower_multiserver_core::{Identity, PublicKey};

/// What is signed, up to the public key.
const SIGNED: &[u8] = b"\x30\x63\
    \xa0\x03\x02\x01\x02\
    \x02\x01\x00\
    \x30\x05\x06\x03\x2b\x65\x70\
    \x30\x00\
    \x30\x22\x18\x0f00010101000000Z\x18\x0f00010101000000Z\
    \x30\x00";

/// A public key of Ed25519 (its SubjectPublicKeyInfo, RFC 8410, section 4), up to the key itself.
const ED25519_KEY: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// What stands between what is signed and the signature.
const SIGNATURE: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70\x03\x41\x00";

/// Our certificate. It is the same at each call, and that of libocr's ragep2p byte by byte.
pub(crate) fn certificate(identity: &Identity) -> CertificateDer<'static> {
    let key = identity.public_key();
    let signed = [SIGNED, ED25519_KEY, key.as_bytes()].concat();
    let signature = identity.sign(&signed);
    [b"\x30\x81\xaf", &signed[..], SIGNATURE, &signature]
        .concat()
        .into()
}

/// The Ed25519 key in a certificate of a peer: a usable one, so that a proof with it proves something.
///
/// All errors are those that the peer is told as `bad_certificate`.
pub(crate) fn key_of(certificate: &CertificateDer<'_>) -> Result<PublicKey, CertificateError> {
    let certificate =
        ParsedCertificate::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let info = certificate.subject_public_key_info();
    let key = info.strip_prefix(ED25519_KEY);
    let key = key.and_then(|key| key.try_into().ok());
    let key = key.map(PublicKey::from_bytes);
    // With a key of small order anybody can sign.
    key.filter(|key| key.to_x25519().is_some())
        .ok_or(CertificateError::BadEncoding)
}

#[cfg(test)]
mod tests {
    use tower_multiserver_core::Seed;

    use super::*;

    /// Seeds, public keys and certificates, computed from smartcontractkit/libocr (MIT) at commit 0a5e2f907dda.
    const VECTORS: [[&str; 3]; 3] = [
        [
            "1111111111111111111111111111111111111111111111111111111111111111",
            "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737",
            "3081af3063a003020102020100300506032b657030003022180f30303031303130313030303030305a180f30303031303130313030303030305a3000302a300506032b6570032100d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737300506032b6570034100b132cf1696b2d08f563dc6de4ae5cf1521282a13bae56b7b73a3637ac5c1a7e95be03bdc9116c64557240fb9eec620c542536a59707e34076d86cd0b0f9b4605",
        ],
        [
            "2222222222222222222222222222222222222222222222222222222222222222",
            "a09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f0",
            "3081af3063a003020102020100300506032b657030003022180f30303031303130313030303030305a180f30303031303130313030303030305a3000302a300506032b6570032100a09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f0300506032b6570034100199cb1edb55bfcfe3fbc4a615da5515ed1e62fc3148e2699b5c8158cc7c4ba5838a2c51034ed2c667fded2e6e52551c078073c6183c3bec370d2bbbc0bb76b03",
        ],
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3081af3063a003020102020100300506032b657030003022180f30303031303130313030303030305a180f30303031303130313030303030305a3000302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a300506032b6570034100555a5f8a089ed2843b1c899e830066fb364a16e73749e2fa87675384dfc9194cad118cfc83af1ab94455390c6b0fca0504f38b6e09e940d927d28a845891700f",
        ],
    ];

    fn key(hex: &str) -> [u8; 32] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    /// Any certificate with this in the place of the key's info.
    fn holding(info: &[u8]) -> CertificateDer<'static> {
        let ours = certificate(&Identity::generate().unwrap()).to_vec();
        let at = 3 + SIGNED.len();
        let length = u8::try_from(info.len()).unwrap();
        let mut der = [&ours[..at], info, &ours[at + 44..]].concat();
        der[2] = der[2] - 44 + length;
        der[4] = der[4] - 44 + length;
        der.into()
    }

    #[test]
    fn a_certificate_is_that_of_libocr() {
        for [seed, _, der] in VECTORS {
            let identity = Identity::from_seed(&Seed::from_bytes(key(seed)));
            assert_eq!(hex::encode(certificate(&identity)), der);
        }
    }

    #[test]
    fn the_key_is_read_from_the_certificates_of_libocr() {
        for [_, public, der] in VECTORS {
            let der = hex::decode(der).unwrap().into();
            assert_eq!(key_of(&der), Ok(PublicKey::from_bytes(key(public))));
        }
    }

    #[test]
    fn the_key_is_read_from_an_ordinary_certificate() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = rcgen::CertificateParams::new(["example.invalid".to_owned()]).unwrap();
        let made = params.self_signed(&pair).unwrap();
        let read = key_of(made.der()).unwrap();
        assert_eq!(read.as_bytes()[..], *pair.public_key_raw());
    }

    #[test]
    fn a_key_of_another_kind_is_none() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let params = rcgen::CertificateParams::default();
        let made = params.self_signed(&pair).unwrap();
        assert_eq!(key_of(made.der()), Err(CertificateError::BadEncoding));

        let good = Identity::generate().unwrap().public_key();
        let info = [ED25519_KEY, good.as_bytes()].concat();
        assert_eq!(key_of(&holding(&info)), Ok(good));
        // X25519, and Ed25519 of 31 and 33 bytes.
        let mut other = info.clone();
        other[8] = 0x6e;
        let mut short = info.clone();
        short.pop();
        let mut long = info.clone();
        long.push(0);
        for (info, change) in [(&mut short, -1_i8), (&mut long, 1)] {
            for at in [1, 10] {
                info[at] = info[at].wrapping_add_signed(change);
            }
        }
        for info in [other, short, long] {
            let read = key_of(&holding(&info));
            assert_eq!(read, Err(CertificateError::BadEncoding), "{info:x?}");
        }
    }

    #[test]
    fn a_key_that_nobody_can_hold_is_none() {
        let mut one = [0; 32];
        one[0] = 1;
        for bytes in [[0; 32], one, [0xff; 32]] {
            let info = [ED25519_KEY, &bytes].concat();
            let read = key_of(&holding(&info));
            assert_eq!(read, Err(CertificateError::BadEncoding), "{bytes:x?}");
        }
    }

    #[test]
    fn a_changed_length_or_a_cut_never_panics_and_a_cut_has_no_key() {
        let good = certificate(&Identity::generate().unwrap()).to_vec();
        for at in 0..good.len() {
            assert!(key_of(&good[..at].into()).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let _ = key_of(&bad.into());
            }
        }
        let more = [&good[..], &[0]].concat();
        assert!(key_of(&more.into()).is_err());
    }
}
