//! The transport and its settings.

use std::{fmt, sync::Arc};

use rustls::{ClientConfig, ServerConfig, client::Resumption, server::NoServerSessionStorage};
use tokio::{sync::OnceCell, task::spawn_blocking};
use tower_multiserver_core::{BoxError, Error};
use tower_multiserver_tls::crypto;

use super::{Certificate, Provider, Trust};
use crate::transport::ws::Ws;

/// The transport for WebSocket over TLS, for both ends.
///
/// ```no_run
/// use tower_multiserver::{ws::Ws, wss::{Certificate, Wss}};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let certificate = Certificate::from_files("/etc/app/chain.pem", "/etc/app/key.pem")?;
/// let wss = Wss::over(Ws::new().max_connections(100)).certificate(certificate.clone());
/// // … and when the files are new:
/// certificate.reload()?;
/// # let _ = wss;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Wss {
    pub(super) ws: Ws,
    provider: Provider,
    trust: Trust,
    pub(super) certificate: Option<Certificate>,
    /// Made at the first dial, since the platform's authorities are files.
    client: Arc<OnceCell<Arc<ClientConfig>>>,
}

/// What is spoken inside TLS, as ALPN has it (RFC 7301, section 6).
const ALPN: &[u8] = b"http/1.1";

impl Wss {
    /// A transport that dials whom the platform trusts, and listens once it has a [`certificate`](Self::certificate).
    pub fn new() -> Self {
        Self::over(Ws::new())
    }

    /// The same, with the settings of a [`Ws`]: all of them hold here too.
    ///
    /// One that is [hosted](Ws::hosted) has a server that does TLS itself, so it needs no certificate and knows nothing of
    /// [`Tls`](super::Tls).
    pub fn over(ws: Ws) -> Self {
        Self {
            ws,
            provider: Provider::RING,
            trust: Trust::platform(),
            certificate: None,
            client: Arc::default(),
        }
    }

    /// Sets whose certificates are accepted when it dials. [`Trust::platform`] unless set.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self.client = Arc::default();
        self
    }

    /// Sets by which certificate it is known when it listens.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Sets whose cryptography is used. [`Provider::RING`] unless set.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = provider;
        self.client = Arc::default();
        self
    }

    pub(super) async fn client(&self) -> Result<Arc<ClientConfig>, Error> {
        let made = self.client.get_or_try_init(async || {
            let (provider, trust) = (self.provider, self.trust.clone());
            let made = spawn_blocking(move || client(provider, &trust)).await;
            made.map_err(|panic| Error::from(BoxError::from(panic)))?
        });
        made.await.cloned()
    }

    #[expect(
        clippy::expect_used,
        reason = "both providers have suites for TLS 1.2 and 1.3"
    )]
    pub(super) fn server(&self, certificate: &Certificate) -> Arc<ServerConfig> {
        let versions = ServerConfig::builder_with_provider(crypto(self.provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions");
        let mut config = versions
            .with_no_client_auth()
            .with_cert_resolver(certificate.resolver(self.provider));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Nothing is resumed; so there is also nothing that a client which only writes leaves unread, which would make its
        // close a reset.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }
}

/// Blocks while the platform's authorities are read.
#[expect(
    clippy::expect_used,
    reason = "both providers have suites for TLS 1.2 and 1.3"
)]
fn client(provider: Provider, trust: &Trust) -> Result<Arc<ClientConfig>, Error> {
    let crypto = crypto(provider);
    let versions = ClientConfig::builder_with_provider(crypto.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions");
    let mut config = versions
        .dangerous()
        .with_custom_certificate_verifier(trust.verifier(crypto)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would show the certificate of the first one.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl Default for Wss {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Wss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wss")
            .field("ws", &self.ws)
            .field("provider", &self.provider)
            .field("trust", &self.trust)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
