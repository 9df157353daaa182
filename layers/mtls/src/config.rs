//! What TLS is told, for each connection anew.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::ServerName,
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use tower_multiserver_core::{Identity, PublicKey};
use tower_multiserver_tls::{Provider, crypto};

use crate::{certificate::certificate, signer::IdentityKey, verifier::Verifier};

/// What all connections share.
pub(crate) struct Credentials {
    crypto: Arc<CryptoProvider>,
    own: Arc<SingleCertAndKey>,
}

impl Credentials {
    pub(crate) fn new(identity: &Identity, provider: Provider) -> Self {
        let chain = vec![certificate(identity)];
        let key = Arc::new(IdentityKey(identity.clone()));
        Self {
            crypto: crypto(provider),
            own: Arc::new(CertifiedKey::new(chain, key).into()),
        }
    }

    /// To meet the holder of `key`.
    #[expect(
        clippy::expect_used,
        reason = "all providers here have what TLS 1.3 needs"
    )]
    pub(crate) fn client(&self, key: PublicKey) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(self.crypto.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites and groups for TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(Some(key)))
            .with_client_cert_resolver(self.own.clone());
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        // A certificate has no size but the one that was sent.
        config.cert_compressors.clear();
        config.cert_decompressors.clear();
        Arc::new(config)
    }

    /// To be met by the holder of `key`, or by anybody. Nothing of one connection serves another one.
    #[expect(
        clippy::expect_used,
        reason = "all providers here have what TLS 1.3 needs"
    )]
    pub(crate) fn server(&self, key: Option<PublicKey>) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(self.crypto.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites and groups for TLS 1.3")
            .with_client_cert_verifier(self.verifier(key))
            .with_cert_resolver(self.own.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.cert_compressors.clear();
        config.cert_decompressors.clear();
        Arc::new(config)
    }

    fn verifier(&self, expected: Option<PublicKey>) -> Arc<Verifier> {
        Arc::new(Verifier::new(expected, self.crypto.clone()))
    }
}

/// TLS wants a name. Nobody looks at it, and an IP address is never sent.
pub(crate) fn no_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into())
}
