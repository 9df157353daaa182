//! Why a handshake failed.

use std::{error, fmt, io};

use rustls::CertificateError;
use tower_multiserver_core::{Error, ErrorKind};

use super::pin::NotPinned;

/// The server's certificate was refused: the source of an [`Error`] of kind [`Certificate`](ErrorKind::Certificate).
///
/// Its own source says more, such as the names that the certificate is for.
#[derive(Debug)]
pub struct Untrusted {
    reason: Reason,
    source: rustls::Error,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It is signed by none of the authorities that are trusted.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It was revoked, or that cannot be ruled out.
    Revoked,
    /// It is not signed by the authority that it names, or the server could not prove that it holds its key.
    BadSignature,
    /// Its key is not a pinned one.
    NotPinned,
    /// It is not a certificate, or not one for a server.
    Invalid,
}

impl Untrusted {
    /// What is wrong with the certificate.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl Reason {
    fn of(error: &CertificateError) -> Self {
        use CertificateError as Cause;
        match error {
            Cause::UnknownIssuer => Self::UnknownIssuer,
            Cause::NotValidForName | Cause::NotValidForNameContext { .. } => Self::WrongName,
            Cause::Expired | Cause::ExpiredContext { .. } => Self::Expired,
            Cause::NotValidYet | Cause::NotValidYetContext { .. } => Self::NotYetValid,
            Cause::Revoked
            | Cause::UnknownRevocationStatus
            | Cause::ExpiredRevocationList
            | Cause::ExpiredRevocationListContext { .. } => Self::Revoked,
            Cause::BadSignature => Self::BadSignature,
            Cause::Other(other) if other.0.is::<NotPinned>() => Self::NotPinned,
            _ => Self::Invalid,
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::UnknownIssuer => "the issuer of the certificate is not trusted",
            Reason::WrongName => "the certificate is for another name",
            Reason::Expired => "the certificate has expired",
            Reason::NotYetValid => "the certificate is not valid yet",
            Reason::Revoked => "the certificate is revoked, or may be",
            Reason::BadSignature => "a signature of the certificate or of the server is wrong",
            Reason::NotPinned => "the key of the certificate is not a pinned one",
            Reason::Invalid => "the certificate is not valid for a server",
        })
    }
}

impl error::Error for Untrusted {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What the failure of a handshake means.
pub(super) fn failed(error: io::Error) -> Error {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(source @ rustls::Error::InvalidCertificate(cause)) => {
            let (reason, source) = (Reason::of(cause), source.clone());
            Error::new(ErrorKind::Certificate, Untrusted { reason, source })
        }
        Some(source) => Error::new(ErrorKind::Handshake, source.clone()),
        // The peer ended it.
        None if matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        ) =>
        {
            Error::new(ErrorKind::Handshake, error)
        }
        None => error.into(),
    }
}
