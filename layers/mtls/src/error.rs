//! Why a handshake failed, or a stream ended.

use std::{error, fmt, io};

use rustls::{CertificateError, Error as TlsError};
use tower_multiserver_core::{Address, Error, ErrorKind};

/// What went wrong inside TLS: the source of an [`Error`]. Its own source says more.
#[derive(Debug)]
pub struct MtlsError {
    reason: Reason,
    source: Option<TlsError>,
}

/// What went wrong inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody can hold the key that was to be dialed. Nothing was sent.
    UnusableKey,
    /// The peer is not the one that was dialed, or the one that it claimed to be.
    WrongKey,
    /// The peer's certificate is malformed, not of a usable Ed25519 key, or not the only one.
    BadCertificate,
    /// The peer showed no certificate.
    NoCertificate,
    /// The peer could not prove that it holds the key of its certificate.
    Unproven,
    /// The peer ended the connection with this alert (RFC 8446, section 6): 42 and 116 mean that it does not take us for
    /// whom it expected.
    Alert(u8),
    /// The peer does not keep to TLS 1.3, or has nothing in common with us.
    Violation,
    /// The peer closed the connection during the handshake. A server may do so until a client has read its first byte.
    Gone,
    /// The connection ended without the peer's `close_notify`.
    Truncated,
    /// TLS failed on our side, such as for want of random bytes.
    Internal,
}

impl MtlsError {
    /// What went wrong.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl Reason {
    /// The kind of the [`Error`] of which it is the cause.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::UnusableKey => ErrorKind::Unsupported,
            Self::WrongKey | Self::BadCertificate | Self::NoCertificate | Self::Unproven => {
                ErrorKind::Certificate
            }
            Self::Alert(_) | Self::Violation | Self::Gone => ErrorKind::Handshake,
            Self::Truncated => ErrorKind::Io,
            Self::Internal => ErrorKind::Other,
        }
    }

    fn of(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(cause) => match cause {
                CertificateError::NotValidForName => Self::WrongKey,
                CertificateError::BadEncoding => Self::BadCertificate,
                _ => Self::Unproven,
            },
            TlsError::NoCertificatesPresented => Self::NoCertificate,
            TlsError::AlertReceived(alert) => Self::Alert((*alert).into()),
            TlsError::InappropriateMessage { .. }
            | TlsError::InappropriateHandshakeMessage { .. }
            | TlsError::InvalidMessage(_)
            | TlsError::PeerIncompatible(_)
            | TlsError::PeerMisbehaved(_)
            | TlsError::PeerSentOversizedRecord
            | TlsError::DecryptError => Self::Violation,
            _ => Self::Internal,
        }
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        let source = None;
        Self::new(reason.kind(), MtlsError { reason, source })
    }
}

/// What the failure of a handshake means.
pub(crate) fn failed(error: io::Error) -> Error {
    match tls_error(&error) {
        Some(source) => explained(source),
        None if is_gone(&error) => Reason::Gone.into(),
        None => error.into(),
    }
}

/// Whether the transport says that the peer has left.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof, WriteZero};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof | WriteZero
    )
}

/// What ended a stream from `at`. The kind of the error stays.
///
/// Who is not `let_in` yet is a client that has read nothing: it has done its part of a handshake that the server may end.
pub(crate) fn ended(error: io::Error, at: &Address, let_in: bool) -> io::Error {
    let placed = match tls_error(&error) {
        Some(source) => explained(source),
        None if !let_in && is_gone(&error) => Reason::Gone.into(),
        // The transport's own error of that kind means the same.
        None if error.kind() == io::ErrorKind::UnexpectedEof => Reason::Truncated.into(),
        None => return error,
    };
    io::Error::new(error.kind(), placed.at(|| at.clone()))
}

/// That TLS itself failed.
pub(crate) fn explained(source: &TlsError) -> Error {
    let reason = Reason::of(source);
    let source = Some(source.clone());
    Error::new(reason.kind(), MtlsError { reason, source })
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

impl fmt::Display for MtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnusableKey => "nobody can hold the key that was to be dialed",
            Self::WrongKey => "the peer is somebody else",
            Self::BadCertificate => "the peer did not show one certificate of an Ed25519 key",
            Self::NoCertificate => "the peer showed no certificate",
            Self::Unproven => "the peer did not prove that it holds its key",
            Self::Alert(42) => "the peer expected another key than ours",
            Self::Alert(116) => "the peer did not see our certificate",
            Self::Alert(alert) => return write!(f, "the peer ended it with the TLS alert {alert}"),
            Self::Violation => "the peer does not keep to TLS 1.3",
            Self::Gone => "the peer ended the handshake",
            Self::Truncated => "the TLS stream was cut off before its end",
            Self::Internal => "TLS failed",
        })
    }
}

impl error::Error for MtlsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
