//! Somebody who has a peer's key, and says what a host would not.

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_multiserver::{
    Connection, PeerId, Section, knock::KnockLayer, mtls::MtlsLayer, net::Net,
};

use super::lab::{id, identity};
use crate::harness::PATIENCE;

/// A connection of which only the handshake is as it should be.
pub(super) struct Raw {
    connection: Connection,
    own: PeerId,
    other: PeerId,
}

/// What a frame is.
pub(super) const OPEN: u8 = 1;
pub(super) const CLOSE: u8 = 2;
pub(super) const DATA: u8 = 3;
pub(super) const REQUEST: u8 = 4;
pub(super) const RESPONSE: u8 = 5;

/// A frame whose length need not be that of its payload.
pub(super) fn frame(kind: u8, stream: [u8; 32], len: u32, payload: &[u8]) -> Vec<u8> {
    [&[kind], &stream[..], &len.to_be_bytes(), payload].concat()
}

impl Raw {
    /// Connects as the holder of this seed to a host that listens there, `127.0.0.1:6690`.
    pub(super) async fn connect(seed: u8, other: PeerId, at: &str) -> Self {
        let stack = ServiceBuilder::new()
            .layer(MtlsLayer::new(identity(seed)))
            .layer(KnockLayer::new(identity(seed)))
            .service(Net::new());
        let mut address: tower_multiserver::Address = format!("net:{at}").parse().unwrap();
        for layer in ["knock", "mtls"] {
            address.push(Section::new(layer).arg(other));
        }
        let connection = stack
            .oneshot(address)
            .await
            .expect("the handshake is right");
        Self {
            connection: connection.boxed(),
            own: id(seed),
            other,
        }
    }

    /// By what a stream of this name goes.
    pub(super) fn stream(&self, name: &[u8]) -> [u8; 32] {
        let [own, other] = [self.own, self.other].map(|peer| *peer.public_key().as_bytes());
        let hash = Sha256::new().chain_update(own.max(other));
        hash.chain_update(own.min(other))
            .chain_update(name)
            .finalize()
            .into()
    }

    pub(super) fn open(&self, name: &[u8]) -> Vec<u8> {
        frame(OPEN, self.stream(name), name.len() as u32, name)
    }

    pub(super) fn data(&self, name: &[u8], message: &[u8]) -> Vec<u8> {
        frame(DATA, self.stream(name), message.len() as u32, message)
    }

    /// Says that. False when the other side has ended the connection.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> bool {
        let said = async {
            self.connection.write_all(bytes).await?;
            self.connection.flush().await
        };
        timeout(PATIENCE, said)
            .await
            .expect("it is read in time")
            .is_ok()
    }

    /// Waits for the first frame, which opens a stream. A host of version `new` may not hear what it is told before.
    pub(super) async fn greeted(&mut self) {
        let first = timeout(PATIENCE, self.frame()).await;
        let first = first.expect("it comes in time").expect("it is connected");
        assert_eq!(first.0, OPEN);
    }

    /// Whether this message comes, and not the end.
    pub(super) async fn hears(&mut self, message: &[u8]) -> bool {
        let heard = async {
            loop {
                match self.frame().await {
                    Some((DATA, payload)) if payload == message => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        };
        timeout(PATIENCE, heard)
            .await
            .expect("it answers or ends in time")
    }

    /// Waits until the other side has ended the connection.
    pub(super) async fn ended(&mut self) {
        let ended = async { while self.frame().await.is_some() {} };
        timeout(PATIENCE, ended).await.expect("it ends in time");
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 37];
        self.connection.read_exact(&mut header).await.ok()?;
        let len = u32::from_be_bytes(header[33..].try_into().unwrap());
        let mut payload = vec![0; len as usize];
        self.connection.read_exact(&mut payload).await.ok()?;
        Some((header[0], payload))
    }
}
