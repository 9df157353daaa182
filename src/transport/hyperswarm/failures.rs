//! Why the DHT did not do what it should.

use std::io;

use peeroxide_dht::hyperdht::HyperDhtError;
use tower_multiserver_core::{BoxError, Error, ErrorKind};

pub(super) fn failed(error: HyperDhtError) -> Error {
    let kind = match &error {
        HyperDhtError::Destroyed | HyperDhtError::ChannelClosed => ErrorKind::Closed,
        HyperDhtError::Noise(_) | HyperDhtError::NoiseWrap(_) | HyperDhtError::SecretStream(_) => {
            ErrorKind::Handshake
        }
        HyperDhtError::PeerNotFound | HyperDhtError::NoRelayNodes => {
            return not_found();
        }
        _ => ErrorKind::Io,
    };
    Error::new(kind, error)
}

/// Nobody knows where the peer is.
pub(super) fn not_found() -> Error {
    let reason = "nobody in the DHT knows this key";
    io::Error::new(io::ErrorKind::HostUnreachable, reason).into()
}

pub(super) fn unavailable(reason: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Unavailable, reason)
}
