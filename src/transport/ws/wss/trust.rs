//! Whose certificates a client accepts.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_platform_verifier::Verifier;
use tower_multiserver_core::{Error, ErrorKind};

use super::{
    certificate::{Unusable, certificates},
    pin::{Pin, PinVerifier},
};

/// Whose certificates a client accepts.
#[derive(Clone)]
pub struct Trust(Kind);

#[derive(Clone)]
enum Kind {
    Platform,
    Roots(Arc<RootCertStore>),
    Pinned(Arc<[Pin]>),
}

impl Trust {
    /// Those whose authority the platform trusts, for the host that was dialed and for this time.
    ///
    /// On Linux these are the certificates of the distribution, or the files that the environment variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name, which are read once, at the first dial. Where there are none that dial
    /// fails with an error of kind [`Unavailable`](ErrorKind::Unavailable).
    pub fn platform() -> Self {
        Self(Kind::Platform)
    }

    /// Those that one of the authorities in a PEM text has signed, for the host that was dialed and for this time. The
    /// platform's do not count.
    ///
    /// # Errors
    ///
    /// Of kind [`Certificate`](ErrorKind::Certificate), with an [`Unusable`] as the source.
    pub fn roots(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for root in certificates(pem.as_ref())? {
            roots.add(root).map_err(|_| Unusable::BadCertificate)?;
        }
        Ok(Self(Kind::Roots(Arc::new(roots))))
    }

    /// Those of one of these keys, and no others.
    ///
    /// Whoever holds the key is trusted: neither the names in the certificate nor its dates nor who signed it are looked
    /// at.
    pub fn pinned(pins: impl IntoIterator<Item = Pin>) -> Self {
        Self(Kind::Pinned(pins.into_iter().collect()))
    }

    /// Blocks while the platform's are read.
    pub(super) fn verifier(
        &self,
        crypto: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let unavailable = |error| Error::new(ErrorKind::Unavailable, error);
        Ok(match &self.0 {
            Kind::Platform => Arc::new(Verifier::new(crypto).map_err(unavailable)?),
            Kind::Roots(roots) => {
                let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), crypto);
                let built = verifier.build();
                built.map_err(|error| Error::new(ErrorKind::Unavailable, error))?
            }
            Kind::Pinned(pins) => Arc::new(PinVerifier::new(pins.clone(), crypto)),
        })
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::platform()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Platform => f.write_str("Platform"),
            Kind::Roots(roots) => write!(f, "Roots({})", roots.len()),
            Kind::Pinned(pins) => f.debug_tuple("Pinned").field(pins).finish(),
        }
    }
}
