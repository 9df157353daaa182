//! What a handshake tells.

use std::{fmt, sync::Arc};

use rustls::{CommonState, ProtocolVersion};

/// A fact: the connection is inside TLS. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    version: TlsVersion,
    peer_certificate: Option<Arc<[u8]>>,
    alpn: Option<Arc<[u8]>>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl Tls {
    pub(super) fn of(session: &CommonState) -> Self {
        let certificates = session.peer_certificates().unwrap_or_default();
        Self {
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
                _ => TlsVersion::V1_3,
            },
            peer_certificate: certificates.first().map(|der| Arc::from(der.as_ref())),
            alpn: session.alpn_protocol().map(Arc::from),
        }
    }

    /// The version.
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// The certificate by which the peer proved its key, in DER: the server's, on the side that dialed.
    ///
    /// With [`Pin::of_der`](super::Pin::of_der) it can be remembered.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer_certificate.as_deref()
    }

    /// The protocol that was agreed on (ALPN, RFC 7301): `http/1.1`, or none where the peer does not know ALPN.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }
}

/// Of the certificate only its length.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.peer_certificate.as_ref().map(|der| der.len());
        f.debug_struct("Tls")
            .field("version", &self.version)
            .field("peer_certificate_len", &len)
            .field("alpn", &self.alpn.as_deref().map(<[u8]>::escape_ascii))
            .finish()
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}
