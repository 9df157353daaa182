//! TLS of rustls alone, which shows what it likes and takes all that it is shown.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ContentType, DigitallySignedStruct, DistinguishedName,
    Error, ProtocolVersion, ServerConfig, SignatureAlgorithm, SignatureScheme,
    SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider,
        cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage},
        ring::{self, cipher_suite::TLS13_AES_128_GCM_SHA256},
    },
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::client::TlsStream;
use tower_multiserver::Identity;

pub(crate) fn no_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

/// The key of an identity as rcgen takes it.
pub(crate) fn key_pair(identity: &Identity) -> KeyPair {
    const ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let der = PrivatePkcs8KeyDer::from([ED25519, identity.seed().as_bytes()].concat());
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

/// A client that shows this, or nothing.
pub(crate) fn client(own: Option<CertifiedKey>) -> ClientConfig {
    client_of(ring::default_provider(), &TLS13, own)
}

/// The same of the version before.
pub(crate) fn old_client(own: CertifiedKey) -> ClientConfig {
    client_of(ring::default_provider(), &TLS12, Some(own))
}

pub(crate) fn client_of(
    crypto: CryptoProvider,
    version: &'static SupportedProtocolVersion,
    own: Option<CertifiedKey>,
) -> ClientConfig {
    let crypto = Arc::new(crypto);
    let config = ClientConfig::builder_with_provider(crypto.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAll(crypto)));
    match own {
        Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => config.with_no_client_auth(),
    }
}

/// A server that shows this.
pub(crate) fn server(own: CertifiedKey) -> ServerConfig {
    let crypto = Arc::new(ring::default_provider());
    ServerConfig::builder_with_provider(crypto.clone())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(TakesAll(crypto)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
}

/// Takes any certificate.
#[derive(Debug)]
struct TakesAll(Arc<CryptoProvider>);

impl TakesAll {
    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for TakesAll {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

/// Records of TLS made by hand, which rustls would not write.
pub(crate) struct Records {
    socket: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    count: u64,
}

impl Records {
    /// A client that shows this, of whose connection they can be made.
    pub(crate) fn client(own: CertifiedKey) -> ClientConfig {
        let crypto = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            ..ring::default_provider()
        };
        let mut config = client_of(crypto, &TLS13, Some(own));
        config.enable_secret_extraction = true;
        config
    }

    /// Those of a connection of this client.
    pub(crate) fn of(tls: TlsStream<TcpStream>) -> Self {
        let (socket, session) = tls.into_inner();
        let (count, secrets) = session.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            unreachable!("it has one suite");
        };
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        Self {
            socket,
            encrypter: suite.aead_alg.encrypter(key, iv),
            count,
        }
    }

    /// Writes a record of this content. False when the connection has ended.
    pub(crate) async fn write(&mut self, content: &[u8]) -> bool {
        let record = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(content),
        };
        let record = self.encrypter.encrypt(record, self.count).unwrap().encode();
        self.count += 1;
        self.socket.write_all(&record).await.is_ok()
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&mut self) {
        super::support::heard(&mut self.socket).await;
    }
}
