//! Hosts on loopback that know each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::SinkExt as _;
use tokio::time::timeout;
use tower_multiserver::{
    Address, BoxError, Identity, PeerId, Seed,
    ragep2p::{Discoverer, Host, HostBuilder, Limits, RateLimit, Stream, Version},
};

/// How long anything may take before the test has failed: far more than all of it needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Short, so that a lost connection is back at once.
pub(crate) const DIAL_INTERVAL: Duration = Duration::from_millis(100);

/// Both versions.
pub(crate) const VERSIONS: [Version; 2] = [Version::V1, Version::V2];

/// The identity of a seed of one repeated byte.
pub(crate) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Seed::from_bytes([seed; 32]))
}

/// By what it is known.
pub(crate) fn id(seed: u8) -> PeerId {
    identity(seed).public_key().into()
}

/// Where everybody is, which can change. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Map(Arc<Mutex<HashMap<PeerId, Vec<Address>>>>);

impl Map {
    pub(crate) fn set(&self, peer: PeerId, addresses: impl IntoIterator<Item = Address>) {
        let addresses = addresses.into_iter().collect();
        self.0.lock().unwrap().insert(peer, addresses);
    }

    /// Where a host listens, without its layers.
    pub(crate) fn add(&self, host: &Host) {
        self.set(host.id(), host.addresses().iter().map(|(_, at)| bare(at)));
    }
}

/// The transport's part of an address.
pub(crate) fn bare(address: &Address) -> Address {
    Address::new(address.sections()[0].clone())
}

/// `127.0.0.1:6690`.
pub(crate) fn socket(host: &Host) -> String {
    let section = &host.addresses()[0].1.sections()[0];
    section.args().expect("a place").to_owned()
}

impl Discoverer for Map {
    async fn find(&self, peer: PeerId) -> Result<Vec<Address>, BoxError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(&peer)
            .cloned()
            .unwrap_or_default())
    }
}

/// A host of this seed that listens, to be changed and started.
pub(crate) fn builder(seed: u8, map: &Map) -> HostBuilder {
    let builder = Host::builder(identity(seed)).listen("net:127.0.0.1:0");
    let builder = builder.expect("an address").discover(map.clone());
    builder.dial_interval(DIAL_INTERVAL)
}

/// A host that listens, and is on the map.
pub(crate) async fn host(seed: u8, version: Version, map: &Map) -> Host {
    let host = builder(seed, map).version(version).start().await;
    let host = host.expect("it starts");
    map.add(&host);
    host
}

/// A host that nobody can dial.
pub(crate) async fn dialer(seed: u8, version: Version, map: &Map) -> Host {
    let builder = Host::builder(identity(seed)).discover(map.clone());
    let host = builder
        .dial_interval(DIAL_INTERVAL)
        .version(version)
        .start();
    host.await.expect("it starts")
}

/// Limits that nothing in these tests meets, unless they change them.
pub(crate) fn wide() -> Limits {
    Limits {
        outgoing: 20_000,
        incoming: 20_000,
        max_message: 2 << 20,
        messages: RateLimit::new(1e6, 1 << 20),
        bytes: RateLimit::new(1e9, 1 << 30),
    }
}

/// Two hosts, of which the first dials, and a stream between them.
pub(crate) struct Pair {
    pub(crate) dialer: Host,
    pub(crate) acceptor: Host,
    pub(crate) dialers: Stream,
    pub(crate) acceptors: Stream,
}

impl Pair {
    pub(crate) async fn new(dials: Version, accepts: Version, limits: Limits) -> Self {
        let map = Map::default();
        let acceptor = host(2, accepts, &map).await;
        let dialer = dialer(1, dials, &map).await;
        let dialers = dialer
            .stream(acceptor.id(), "test")
            .limits(limits)
            .open()
            .expect("open");
        let acceptors = acceptor.stream(dialer.id(), "test").limits(limits).open();
        Self {
            dialer,
            acceptor,
            dialers,
            acceptors: acceptors.expect("open"),
        }
    }
}

/// The next message, which comes in time.
pub(crate) async fn recv(stream: &mut Stream) -> Vec<u8> {
    let message = timeout(PATIENCE, stream.recv())
        .await
        .expect("it comes in time");
    message.expect("the stream is open").to_vec()
}

/// The next message as a number.
pub(crate) async fn recv_number(stream: &mut Stream) -> u64 {
    let message = recv(stream).await;
    u64::from_be_bytes(message[..8].try_into().expect("it begins with a number"))
}

/// A message that says its number, and is so long.
pub(crate) fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend((8..len as u64).map(|at| ((number + at) % 251) as u8));
    message
}

/// Waits for room, then sends.
pub(crate) async fn send(stream: &mut Stream, message: Vec<u8>) {
    let sent = timeout(PATIENCE, stream.feed(message.into()));
    sent.await
        .expect("there is room in time")
        .expect("the stream is open");
}
