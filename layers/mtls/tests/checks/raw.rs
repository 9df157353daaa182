//! Peers made of rustls alone, which show what they like and take all that they are shown.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError, ServerConfig,
    SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
    version::TLS13,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tower_multiserver_core::Identity;

pub(crate) fn no_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

pub(crate) fn key_pair(identity: &Identity) -> KeyPair {
    const ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let der = [ED25519, identity.seed().as_bytes()].concat();
    let der = PrivatePkcs8KeyDer::from(der);
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).unwrap()
}

/// An ordinary certificate of that key.
pub(crate) fn certificate(pair: &KeyPair) -> CertificateDer<'static> {
    let params = CertificateParams::new(["example.invalid".to_owned()]).unwrap();
    params.self_signed(pair).unwrap().der().clone()
}

/// Signs with one scheme, whether it was offered or not.
#[derive(Debug)]
struct Stubborn(Arc<dyn SigningKey>, SignatureScheme);

impl SigningKey for Stubborn {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(&[self.1])
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// Shows these certificates, and signs with that key.
pub(crate) fn showing(
    chain: Vec<CertificateDer<'static>>,
    pair: &KeyPair,
    scheme: SignatureScheme,
) -> CertifiedKey {
    let der = PrivatePkcs8KeyDer::from(pair.serialize_der()).into();
    let key = ring::sign::any_supported_type(&der).unwrap();
    CertifiedKey::new(chain, Arc::new(Stubborn(key, scheme)))
}

/// Shows an ordinary certificate.
pub(crate) fn honest(identity: &Identity) -> CertifiedKey {
    let pair = key_pair(identity);
    showing(vec![certificate(&pair)], &pair, SignatureScheme::ED25519)
}

/// Takes any certificate, and none.
#[derive(Debug)]
pub(crate) struct TakesAll {
    crypto: Arc<CryptoProvider>,
    /// Whether it was shown one.
    pub(crate) was_shown: AtomicBool,
}

impl TakesAll {
    fn new(crypto: Arc<CryptoProvider>) -> Arc<Self> {
        let was_shown = AtomicBool::new(false);
        Arc::new(Self { crypto, was_shown })
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.crypto.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for TakesAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for TakesAll {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        self.was_shown.store(true, Ordering::Relaxed);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

/// A client that shows this, or nothing.
pub(crate) fn client(own: Option<CertifiedKey>) -> ClientConfig {
    client_of(ring::default_provider(), &[&TLS13], own)
}

pub(crate) fn client_of(
    crypto: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<CertifiedKey>,
) -> ClientConfig {
    let crypto = Arc::new(crypto);
    let config = ClientConfig::builder_with_provider(crypto.clone())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(TakesAll::new(crypto));
    match own {
        Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => config.with_no_client_auth(),
    }
}

/// A server that shows this, and who looks at what it is shown.
pub(crate) fn server(own: CertifiedKey) -> (ServerConfig, Arc<TakesAll>) {
    server_of(ring::default_provider(), &[&TLS13], own)
}

pub(crate) fn server_of(
    crypto: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    own: CertifiedKey,
) -> (ServerConfig, Arc<TakesAll>) {
    let crypto = Arc::new(crypto);
    let verifier = TakesAll::new(crypto.clone());
    let config = ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier.clone())
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    (config, verifier)
}

pub(crate) async fn connect<I: AsyncRead + AsyncWrite + Unpin>(
    config: impl Into<Arc<ClientConfig>>,
    io: I,
) -> io::Result<client::TlsStream<I>> {
    TlsConnector::from(config.into())
        .connect(no_name(), io)
        .await
}

pub(crate) async fn accept(
    config: impl Into<Arc<ServerConfig>>,
    io: DuplexStream,
) -> io::Result<server::TlsStream<DuplexStream>> {
    TlsAcceptor::from(config.into()).accept(io).await
}

pub(crate) fn alert(error: &io::Error) -> u8 {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(TlsError::AlertReceived(alert)) => (*alert).into(),
        _ => unreachable!("not an alert: {error:?}"),
    }
}
