//! A peer that proved its key, and the stream to it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use peeroxide_dht::{noise_wrap::NoiseWrapResult, secret_stream::SecretStream};
use tokio::sync::oneshot;
use tower_multiserver_core::{Error, ErrorKind, PublicKey};

use super::{
    failures::not_found,
    raw::{Moved, Raw},
    udx::Stream,
};

/// A peer that proved its key, and the UDX stream to it.
pub(super) struct Met {
    pub(super) keys: NoiseWrapResult,
    pub(super) stream: Stream,
    pub(super) peer: PeerAt,
}

/// Where the peer is.
pub(super) enum PeerAt {
    Known(SocketAddr),
    /// Where its first packet comes from.
    Unknown(oneshot::Receiver<SocketAddr>),
}

impl Met {
    pub(super) fn key(&self) -> PublicKey {
        PublicKey::from_bytes(self.keys.remote_public_key)
    }

    pub(super) fn handshake_hash(&self) -> [u8; 64] {
        self.keys.handshake_hash
    }

    pub(super) fn is_initiator(&self) -> bool {
        self.keys.is_initiator
    }

    /// Where the peer was seen before its first packet.
    pub(super) fn peer_ip(&self) -> Option<IpAddr> {
        match &self.peer {
            PeerAt::Known(address) => Some(address.ip()),
            PeerAt::Unknown(_) => None,
        }
    }

    /// Waits until the peer's first packet says where it is. What is written before that is lost, and sent again after a
    /// second only.
    pub(super) async fn arrival(&mut self) -> Result<SocketAddr, Error> {
        let at = match &mut self.peer {
            PeerAt::Known(address) => *address,
            PeerAt::Unknown(address) => address.await.map_err(|_| not_found())?,
        };
        self.peer = PeerAt::Known(at);
        Ok(at)
    }

    /// Exchanges the headers of the secret stream.
    pub(super) async fn open(mut self) -> Result<Opened, Error> {
        let peer = self.arrival().await?;
        let (raw, moved) = Raw::new(self.stream);
        let NoiseWrapResult {
            is_initiator,
            tx,
            rx,
            handshake_hash,
            remote_public_key,
            ..
        } = self.keys;
        let stream = SecretStream::from_session(
            is_initiator,
            raw,
            tx,
            rx,
            handshake_hash,
            remote_public_key,
        );
        let stream = stream
            .await
            .map_err(|error| Error::new(ErrorKind::Handshake, error))?;
        Ok(Opened {
            stream,
            moved,
            peer,
        })
    }
}

/// A secret stream in use.
pub(super) struct Opened {
    pub(super) stream: SecretStream<Raw>,
    pub(super) moved: Arc<Moved>,
    pub(super) peer: SocketAddr,
}
