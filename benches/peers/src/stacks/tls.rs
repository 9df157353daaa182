//! TLS 1.3 by rustls, mutual: both sides prove an Ed25519 key, as those of Secret Handshake do.

use std::sync::{Arc, OnceLock};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
        server::WebPkiClientVerifier,
        version::TLS13,
    },
};

use crate::{
    Result,
    channel::Bytes,
    stack::{Stack, spawn},
    work::Work,
};

#[derive(Clone, Copy)]
pub(crate) enum Provider {
    Ring,
    AwsLc,
}

#[derive(Clone, Copy)]
pub(crate) enum Suite {
    Aes,
    ChaCha,
    /// What rustls chooses: a key exchange that withstands quantum computers too, where the provider has one, and tickets
    /// for the next connection.
    Default,
}

#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(crate) fn new(provider: Provider, suite: Suite) -> Result<Self> {
        let provider = Arc::new(cryptography(provider, suite));
        let (certificate, key) = own()?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let roots = Arc::new(roots);
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key())?;
        // A full handshake each time.
        client.resumption = tokio_rustls::rustls::client::Resumption::disabled();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate], key)?;
        if !matches!(suite, Suite::Default) {
            server.send_tls13_tickets = 0;
        }
        Ok(Self {
            connector: Arc::new(client).into(),
            acceptor: Arc::new(server).into(),
        })
    }
}

fn cryptography(provider: Provider, suite: Suite) -> CryptoProvider {
    let (mut chosen, aes, chacha) = match provider {
        Provider::Ring => (
            ring::default_provider(),
            ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
            ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ),
        Provider::AwsLc => (
            aws_lc_rs::default_provider(),
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ),
    };
    chosen.cipher_suites = match suite {
        Suite::Aes => vec![aes],
        Suite::ChaCha => vec![chacha],
        Suite::Default => return chosen,
    };
    // X25519 alone, as the others.
    chosen
        .kx_groups
        .retain(|group| group.name() == tokio_rustls::rustls::NamedGroup::X25519);
    chosen
}

/// One certificate for both ends. Made once, it goes to the other process by the environment.
fn own() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    static PEM: OnceLock<Option<String>> = OnceLock::new();
    let pem = PEM.get_or_init(|| std::env::var(CERTIFICATE).ok());
    let pem = pem.as_ref().ok_or("no certificate in the environment")?;
    Ok((
        CertificateDer::from_pem_slice(pem.as_bytes())?,
        PrivateKeyDer::from_pem_slice(pem.as_bytes())?,
    ))
}

/// The variable with the certificate and its key.
pub(crate) const CERTIFICATE: &str = "MULTISERVER_PEERS_CERTIFICATE";

/// A self-signed certificate and its key, in PEM.
pub(crate) fn certificate() -> Result<String> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    Ok(certificate.pem() + &key.serialize_pem())
}

impl Stack for Tls {
    type Channel = Bytes<TlsStream<TcpStream>>;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?.to_string());
        loop {
            let (stream, _) = listener.accept().await?;
            let acceptor = self.acceptor.clone();
            spawn(work, async move {
                stream.set_nodelay(true)?;
                Ok(Bytes(TlsStream::from(acceptor.accept(stream).await?)))
            });
        }
    }

    async fn dial(&self, address: &str) -> Result<Self::Channel> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        Ok(Bytes(self.connector.connect(name, stream).await?.into()))
    }
}
