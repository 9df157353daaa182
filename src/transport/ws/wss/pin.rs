//! Keys that are trusted whoever vouches for them.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::{BASE64, BASE64_NOPAD};
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest as _, Sha256};
use tower_multiserver_core::{Error, ErrorKind};

use super::certificate::{Unusable, certificates};

/// The SHA-256 of a certificate's public key (its SubjectPublicKeyInfo, RFC 7469, section 2.4).
///
/// It stays the same when a certificate is renewed for the same key. As text it is base64, which may stand behind
/// `sha256/` or, as curl has it, `sha256//`:
///
/// ```console
/// $ openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin([u8; 32]);

/// Of the base64, `=` included.
const DIGITS: usize = 44;

impl Pin {
    /// That of the first certificate in a PEM text.
    ///
    /// # Errors
    ///
    /// Where there is none, of kind [`Certificate`](ErrorKind::Certificate) with an [`Unusable`] as the source.
    pub fn of_pem(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let first = certificates(pem.as_ref())?.into_iter().next();
        Self::of(&first.ok_or(Unusable::NoCertificate)?)
    }

    /// That of a certificate in DER, such as [`Tls::peer_certificate`](super::Tls::peer_certificate).
    ///
    /// # Errors
    ///
    /// As [`of_pem`](Self::of_pem).
    pub fn of_der(der: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::of(&der.as_ref().into())
    }

    fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        Ok(Self::parse(certificate).map_err(|_| Unusable::BadCertificate)?)
    }

    fn parse(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let key = certificate.subject_public_key_info();
        Ok(Self(Sha256::digest(key).into()))
    }
}

impl FromStr for Pin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Told by the length: digits of base64 may look like what stands before them.
        let start = text.len().checked_sub(DIGITS);
        let hash = match start.and_then(|start| text.split_at_checked(start)) {
            // `BASE64` would take padding in the midst of them too.
            Some(("" | "sha256/" | "sha256//", base64)) => base64
                .strip_suffix('=')
                .and_then(|digits| BASE64_NOPAD.decode(digits.as_bytes()).ok()),
            _ => None,
        };
        let hash = hash.and_then(|hash| hash.try_into().ok());
        hash.map(Self).ok_or_else(|| {
            let reason = "a pin is the base64 of 32 bytes";
            Error::new(ErrorKind::InvalidAddress, reason)
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", BASE64.encode(&self.0))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Pin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Pin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom("a pin is the base64 of 32 bytes"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Trusts whoever proves to hold one of the keys.
#[derive(Debug)]
pub(super) struct PinVerifier {
    pins: Arc<[Pin]>,
    crypto: Arc<CryptoProvider>,
}

#[derive(Debug)]
pub(super) struct NotPinned;

impl PinVerifier {
    pub(super) fn new(pins: Arc<[Pin]>, crypto: Arc<CryptoProvider>) -> Self {
        Self { pins, crypto }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match self.pins.contains(&Pin::parse(certificate)?) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into()),
        }
    }

    // That the server holds the key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let supported = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let supported = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let supported = &self.crypto.signature_verification_algorithms;
        supported.supported_schemes()
    }
}

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its key is none of the pinned ones")
    }
}

impl std::error::Error for NotPinned {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_reads_what_it_prints_and_the_forms_of_others() {
        let like_a_prefix = BASE64.decode(b"sha256//sha256//sha256//sha256//sha256//shA=");
        let like_a_prefix = like_a_prefix.expect("base64").try_into().expect("32 bytes");
        // All but one of its digits are slashes.
        for pin in [
            Pin([0xff; 32]),
            Pin(*b"0123456789abcdef0123456789abcdef"),
            Pin(like_a_prefix),
        ] {
            let text = pin.to_string();
            let base64 = &text["sha256/".len()..];
            for text in [&text, base64, &format!("sha256//{base64}")] {
                assert_eq!(text.parse::<Pin>().expect(text), pin);
            }
        }
        let digits = "A".repeat(43);
        for text in [
            "",
            "sha256/",
            "sha256/AAAA",
            "sha1/AAAA",
            "ä",
            &format!("/{digits}="),
            &format!("sha1/{digits}="),
            &format!("sha256/{digits}A"),
            &format!("{}={}", &digits[..7], &digits[7..]),
            &format!("ä{}=", &digits[..42]),
        ] {
            let error = text.parse::<Pin>().expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidAddress);
        }
    }

    #[test]
    fn the_pin_of_a_certificate_is_that_of_its_key() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = |name: &str| {
            let made = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
            made.self_signed(&key).expect("a certificate")
        };
        let (old, new) = (certificate("old"), certificate("new"));
        let pin = Pin::of_pem(old.pem()).expect("a certificate");
        assert_eq!(pin, Pin::of_der(new.der()).expect("a certificate"));
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        assert_eq!(pin, Pin(Sha256::digest(spki).into()));
        for error in [Pin::of_pem("no PEM"), Pin::of_der("no DER")] {
            let error = error.expect_err("no certificate");
            assert_eq!(error.kind(), ErrorKind::Certificate);
        }
    }
}
