//! By which certificate a server is known.

use std::{
    error, fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    Error as TlsError, InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tower_multiserver_core::{Error, ErrorKind};
use tower_multiserver_tls::crypto;
use zeroize::Zeroizing;

use super::Provider;

/// A server's certificate with what leads to its authority, and its private key.
///
/// Clones are one and the same: what is renewed with [`reload`](Self::reload) or [`replace`](Self::replace) is used in all
/// handshakes that begin from then on, and connections that there are go on.
#[derive(Clone)]
pub struct Certificate(Arc<Shared>);

struct Shared {
    files: Option<Files>,
    keys: RwLock<Keys>,
}

#[derive(Clone, Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// As each provider has it.
type Keys = Vec<(Provider, Arc<CertifiedKey>)>;

/// Why a certificate or a key cannot be used: the source of an [`Error`] of kind
/// [`Certificate`](ErrorKind::Certificate), or, where it comes from files, the source of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unusable {
    /// There is no certificate in the PEM text.
    NoCertificate,
    /// It is not an X.509 certificate.
    BadCertificate,
    /// There is no private key, without a password, in the PEM text.
    NoKey,
    /// The key is damaged, or of a kind that is not supported.
    BadKey,
    /// The key belongs to another certificate.
    Mismatch,
}

impl Certificate {
    /// From PEM texts: the chain, the server's own certificate first, and its private key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    ///
    /// Of kind [`Certificate`](ErrorKind::Certificate), with an [`Unusable`] as the source.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let keys = from_pem(chain.as_ref(), key.as_ref())?;
        Ok(Self::new(None, keys))
    }

    /// From DER: the chain, the server's own certificate first, and its private key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(
        chain: impl IntoIterator<Item: Into<Vec<u8>>>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let chain = chain.into_iter().map(|der| der.into().into()).collect();
        let key = PrivateKeyDer::try_from(key.as_ref()).map_err(|_| Unusable::NoKey)?;
        Ok(Self::new(None, load(chain, &key)?))
    }

    /// From PEM files, which [`reload`](Self::reload) reads again. It blocks while it reads.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, of kind [`Io`](ErrorKind::Io); else as [`from_pem`](Self::from_pem). Each names the
    /// file.
    pub fn from_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        let files = Files {
            chain: chain.into(),
            key: key.into(),
        };
        let keys = files.load()?;
        Ok(Self::new(Some(files), keys))
    }

    fn new(files: Option<Files>, keys: Keys) -> Self {
        Self(Arc::new(Shared {
            files,
            keys: RwLock::new(keys),
        }))
    }

    /// Reads the files again, and does nothing where there are none. It blocks while it reads.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files). All stays as it was then.
    pub fn reload(&self) -> Result<(), Error> {
        if let Some(files) = &self.0.files {
            self.set(files.load()?);
        }
        Ok(())
    }

    /// Takes another one's certificate and key in place of its own.
    pub fn replace(&self, other: &Self) {
        let keys = other.keys();
        self.set(keys);
    }

    fn set(&self, keys: Keys) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn keys(&self) -> Keys {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// What a server that uses `provider` shows its clients.
    pub(super) fn resolver(&self, provider: Provider) -> Arc<dyn ResolvesServerCert> {
        let certificate = self.clone();
        Arc::new(Resolver {
            certificate,
            provider,
        })
    }
}

/// The files, if any.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Resolver {
    certificate: Certificate,
    provider: Provider,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.certificate.keys();
        let ours = keys.iter().find(|(of, _)| *of == self.provider);
        // A kind of key that only another one knows.
        ours.or(keys.first()).map(|(_, key)| key.clone())
    }
}

impl Files {
    fn load(&self) -> Result<Keys, Error> {
        let chain = Zeroizing::new(read(&self.chain)?);
        let key = Zeroizing::new(read(&self.key)?);
        from_pem(&chain, &key).map_err(|reason| {
            let path = match reason {
                Unusable::NoCertificate | Unusable::BadCertificate => self.chain.clone(),
                Unusable::NoKey | Unusable::BadKey | Unusable::Mismatch => self.key.clone(),
            };
            Error::new(ErrorKind::Certificate, InFile { path, reason })
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| {
        let path = path.to_owned();
        Error::new(ErrorKind::Io, Unreadable { path, error })
    })
}

fn from_pem(chain: &[u8], key: &[u8]) -> Result<Keys, Unusable> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::NoKey)?;
    load(chain, &Zeroizing::new(key))
}

/// The certificates in a PEM text; at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Unusable::NoCertificate),
    }
}

/// What those providers make of it that can; at least one.
fn load(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Keys, Unusable> {
    let mut keys = Vec::new();
    let mut first = None;
    for provider in Provider::ALL {
        let key = key.clone_key();
        match CertifiedKey::from_der(chain.clone(), key, &crypto(*provider)) {
            Ok(key) => keys.push((*provider, Arc::new(key))),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    match first {
        Some(error) if keys.is_empty() => Err(Unusable::of(&error)),
        _ => Ok(keys),
    }
}

impl Unusable {
    fn of(error: &TlsError) -> Self {
        match error {
            TlsError::NoCertificatesPresented => Self::NoCertificate,
            TlsError::InvalidCertificate(_) => Self::BadCertificate,
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::Mismatch,
            _ => Self::BadKey,
        }
    }
}

impl From<Unusable> for Error {
    fn from(reason: Unusable) -> Self {
        Self::new(ErrorKind::Certificate, reason)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "there is no certificate in PEM",
            Self::BadCertificate => "not an X.509 certificate",
            Self::NoKey => "there is no private key in PEM without a password",
            Self::BadKey => "the private key is damaged or of a kind that is not supported",
            Self::Mismatch => "the private key is not that of the certificate",
        })
    }
}

impl error::Error for Unusable {}

#[derive(Debug)]
struct InFile {
    path: PathBuf,
    reason: Unusable,
}

impl fmt::Display for InFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be used", self.path)
    }
}

impl error::Error for InFile {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.reason)
    }
}

#[derive(Debug)]
struct Unreadable {
    path: PathBuf,
    error: std::io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be read", self.path)
    }
}

impl error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}
