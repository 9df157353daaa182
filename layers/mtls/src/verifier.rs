//! What a peer's certificate must be, for both sides.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError,
    PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use tower_multiserver_core::PublicKey;

use crate::certificate::key_of;

/// Wants one certificate, and in it the expected key. Names, dates and who signed it are not looked at: what counts is
/// the signature in the handshake.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// `None` takes any.
    expected: Option<PublicKey>,
    crypto: Arc<CryptoProvider>,
}

impl Verifier {
    pub(crate) fn new(expected: Option<PublicKey>, crypto: Arc<CryptoProvider>) -> Self {
        Self { expected, crypto }
    }

    fn prove(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let supported = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, supported)
    }
}

/// The key in the only certificate of a peer, when it is the expected one.
///
/// Both errors are said to the peer as the alert `bad_certificate`, as Go does.
pub(crate) fn verify(
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    expected: Option<PublicKey>,
) -> Result<PublicKey, TlsError> {
    if !others.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    let key = key_of(certificate)?;
    match expected {
        Some(expected) if expected != key => Err(CertificateError::NotValidForName.into()),
        _ => Ok(key),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        verify(certificate, others, self.expected).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(old_tls())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.prove(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        verify(certificate, others, self.expected).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(old_tls())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.prove(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

fn old_tls() -> TlsError {
    PeerIncompatible::ServerDoesNotSupportTls12Or13.into()
}
