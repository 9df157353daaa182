//! The handshake by way of the DHT, in both roles.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use crate::lock::lock;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use libudx::{UdxError, UdxStream};
use peeroxide_dht::{
    HandshakeResult, Router,
    crypto::hash,
    hyperdht_messages::{
        ERROR_ABORTED, ERROR_NONE, ERROR_VERSION_MISMATCH, FIREWALL_OPEN, FIREWALL_UNKNOWN,
        NoisePayload, PEER_HANDSHAKE, SecretStreamInfo, UdxInfo,
    },
    messages::Ipv4Peer,
    noise::Keypair,
    noise_wrap::{NoiseWrap, NoiseWrapResult},
    rpc::UserRequestParams,
};
use tokio::sync::oneshot;
use tower_multiserver_core::{BoxError, Error, ErrorKind, PublicKey, Scope};

use super::{
    failures::{failed, not_found},
    inner::Inner,
    met::{Met, PeerAt},
    udx::Stream,
};

/// How long one node of the DHT may take to bring an answer of the peer, in milliseconds.
const RELAY_TIMEOUT: u64 = 3000;

/// How many nodes are asked at once.
const RELAYS: usize = 3;

/// Finds a peer by its key, and shakes hands with it.
pub(super) async fn dial(node: &Arc<Inner>, key: PublicKey) -> Result<Met, Error> {
    let target = hash(key.as_bytes());
    let found = node.dht.query_find_peer(target).await.map_err(failed)?;
    let relays: Vec<_> = found
        .into_iter()
        .filter(|reply| reply.value.is_some())
        .map(|reply| reply.from)
        .collect();
    let mut outcome = Err(not_found());
    for relays in relays.chunks(RELAYS) {
        outcome = knock(node, key, target, relays).await;
        match &outcome {
            Ok(_) => break,
            Err(error) => tracing::debug!(%error, "nodes of the DHT did not reach the peer"),
        }
    }
    outcome
}

/// Shakes hands with a peer by way of several nodes at once: it gives all of them the same answer.
async fn knock(
    node: &Arc<Inner>,
    key: PublicKey,
    target: [u8; 32],
    relays: &[Ipv4Peer],
) -> Result<Met, Error> {
    let mut noise = NoiseWrap::new_initiator(key_pair(node), *key.as_bytes());
    let (local_id, outer, stream) = new_stream(node).await?;
    let hello = noise
        .send(&payload(FIREWALL_UNKNOWN, ERROR_NONE, local_id))
        .map_err(refused)?;
    let hello = Router::encode_client_handshake(hello, None, None).map_err(refused)?;
    let asked = relays.iter().map(|relay| ask(node, target, &hello, relay));
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut reply = Err(not_found());
    while let Some(outcome) = asked.next().await {
        reply = outcome;
        if reply.is_ok() {
            break;
        }
    }
    let reply = reply?;
    let theirs = noise.recv(&reply.noise).map_err(refused)?;
    let keys = noise.finalize().map_err(refused)?;
    if theirs.error != ERROR_NONE {
        let reason = "the peer refused the handshake";
        return Err(Error::new(ErrorKind::Handshake, reason));
    }
    let remote_id = remote_id(&theirs)
        .ok_or_else(|| Error::new(ErrorKind::Handshake, "the peer names no stream"))?;
    let at = address_of(&theirs, &reply.server_address)
        .ok_or_else(|| Error::new(ErrorKind::Handshake, "the peer names no address"))?;
    let connected = outer.connect(&node.socket, remote_id, at).await;
    connected.map_err(|error| failed(error.into()))?;
    Ok(Met {
        keys,
        stream,
        peer: PeerAt::Known(at),
    })
}

/// Has one node of the DHT hand a message on, and the answer back.
async fn ask(
    node: &Inner,
    target: [u8; 32],
    hello: &[u8],
    relay: &Ipv4Peer,
) -> Result<HandshakeResult, Error> {
    let mut request = UserRequestParams::default();
    request.command = PEER_HANDSHAKE;
    request.target = Some(target);
    request.value = Some(hello.to_vec());
    request.timeout_ms = Some(RELAY_TIMEOUT);
    request.retries = Some(0);
    let response = node.dht.dht().request(request, &relay.host, relay.port);
    let response = response.await.map_err(|error| failed(error.into()))?;
    let value = response.value.ok_or_else(not_found)?;
    let router = lock(node.dht.router());
    router
        .validate_handshake_reply(&value, relay, &response.from)
        .map_err(refused)
}

/// A peer that asks for a connection, and the answer that it has not got yet.
pub(super) struct Knock {
    theirs: NoisePayload,
    keys: NoiseWrapResult,
    outer: Arc<UdxStream>,
    stream: Stream,
    answer: Vec<u8>,
}

impl Knock {
    /// Reads the first message of a handshake, and makes the answer.
    ///
    /// # Errors
    ///
    /// If it is none, or for another key.
    pub(super) async fn read(node: &Arc<Inner>, message: &[u8]) -> Result<Self, Error> {
        let mut noise = NoiseWrap::new_responder(key_pair(node));
        let theirs = noise.recv(message).map_err(refused)?;
        let error = match (theirs.version, &theirs.udx) {
            (1, Some(_)) => ERROR_NONE,
            (1, None) => ERROR_ABORTED,
            _ => ERROR_VERSION_MISMATCH,
        };
        let (local_id, outer, stream) = new_stream(node).await?;
        let answer = noise.send(&payload(FIREWALL_OPEN, error, local_id));
        Ok(Self {
            theirs,
            answer: answer.map_err(refused)?,
            keys: noise.finalize().map_err(refused)?,
            outer,
            stream,
        })
    }

    /// Whose it is. Only that key and ours make the secret under which the message was readable.
    pub(super) fn key(&self) -> PublicKey {
        PublicKey::from_bytes(self.keys.remote_public_key)
    }

    /// What to send back.
    pub(super) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// The stream to the peer, seen at `from`. Where it waits for us, having asked us itself or being reached by everybody,
    /// we send first; else its first packet says where it is. None if the answer refuses it.
    pub(super) async fn meet(
        self,
        node: &Inner,
        from: Option<SocketAddr>,
        direct: bool,
    ) -> Result<Option<Met>, Error> {
        let Some(remote_id) = remote_id(&self.theirs).filter(|_| self.theirs.version == 1) else {
            return Ok(None);
        };
        let waits_for_us = direct || self.theirs.firewall == FIREWALL_OPEN;
        let peer = match from.filter(|_| waits_for_us) {
            Some(at) => {
                let connected = self.outer.connect(&node.socket, remote_id, at).await;
                connected.map_err(|error| failed(error.into()))?;
                PeerAt::Known(at)
            }
            None => {
                let (found, at) = oneshot::channel();
                let hook =
                    self.outer
                        .set_firewall_hook(&node.socket, remote_id, move |_, port, ip| {
                            found.send(SocketAddr::new(ip, port)).is_ok()
                        });
                hook.map_err(|error| failed(error.into()))?;
                PeerAt::Unknown(at)
            }
        };
        Ok(Some(Met {
            keys: self.keys,
            stream: self.stream,
            peer,
        }))
    }
}

/// A stream with a number that outsiders cannot guess: on the node's socket, and ours that it relays to.
async fn new_stream(node: &Arc<Inner>) -> Result<(u32, Arc<UdxStream>, Stream), Error> {
    let mut id = [0; 4];
    getrandom::fill(&mut id).map_err(|error| Error::new(ErrorKind::Other, error))?;
    let id = u32::from_le_bytes(id);
    let lost = |error: UdxError| failed(error.into());
    let outer = Arc::new(node.udx.create_stream(id).await.map_err(lost)?);
    let (stream, work) = Stream::over(&node.port, &node.udx, outer.clone())
        .await
        .map_err(lost)?;
    // The node lives until the peer has heard of the end.
    let alive = node.clone();
    node.spawn(async move {
        work.await;
        drop(alive);
    });
    Ok((id, outer, stream))
}

fn payload(firewall: u64, error: u64, stream: u32) -> NoisePayload {
    NoisePayload {
        version: 1,
        error,
        firewall,
        holepunch: None,
        addresses4: Vec::new(),
        addresses6: Vec::new(),
        udx: Some(UdxInfo {
            version: 1,
            reusable_socket: true,
            id: stream.into(),
            seq: 0,
        }),
        secret_stream: Some(SecretStreamInfo { version: 1 }),
        relay_through: None,
        relay_addresses: None,
    }
}

fn remote_id(theirs: &NoisePayload) -> Option<u32> {
    theirs.udx.as_ref()?.id.try_into().ok()
}

/// Where to send to: the public address that a reachable peer names, else where the DHT sees it.
fn address_of(theirs: &NoisePayload, seen: &Ipv4Peer) -> Option<SocketAddr> {
    let named = theirs.addresses4.iter().filter_map(socket_addr);
    let public = named
        .filter(|_| theirs.firewall == FIREWALL_OPEN)
        .find(|address| Scope::of_ip(address.ip()) == Scope::Public && is_of_one(address.ip()));
    public.or_else(|| socket_addr(seen))
}

/// Whether it can be that of one other machine. What is sent to 0.0.0.0 comes to this one.
fn is_of_one(ip: IpAddr) -> bool {
    let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(ip.is_unspecified() || ip.is_multicast() || is_broadcast)
}

pub(super) fn socket_addr(peer: &Ipv4Peer) -> Option<SocketAddr> {
    let ip: Ipv4Addr = peer.host.parse().ok()?;
    Some(SocketAddr::from((ip, peer.port))).filter(|_| peer.port != 0)
}

fn key_pair(node: &Inner) -> Keypair {
    Keypair {
        public_key: node.key_pair.public_key,
        secret_key: node.key_pair.secret_key,
    }
}

fn refused(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Handshake, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_reached_where_it_is_seen_or_at_a_public_address_that_it_names() {
        let at = |host: &str, port| Ipv4Peer {
            host: host.to_owned(),
            port,
        };
        let seen = at("198.51.100.1", 1);
        let inside = [
            at("127.0.0.1", 2),
            at("192.168.1.1", 2),
            at("169.254.169.254", 2),
            at("0.0.0.0", 2),
            at("224.0.0.1", 2),
            at("255.255.255.255", 2),
            at("203.0.113.5", 0),
            at("localhost", 2),
        ];
        let public = at("203.0.113.5", 3);
        let mut both = inside.to_vec();
        both.push(public.clone());
        for (firewall, named, expected) in [
            (FIREWALL_OPEN, &inside[..], &seen),
            (FIREWALL_OPEN, &both, &public),
            (FIREWALL_UNKNOWN, &both, &seen),
        ] {
            let mut theirs = payload(firewall, ERROR_NONE, 7);
            theirs.addresses4 = named.to_vec();
            assert_eq!(address_of(&theirs, &seen), socket_addr(expected));
        }
    }
}
