//! A host that is attacked, its good peer, and the attacker, who writes frames by hand.

use std::{io, sync::Arc, time::Duration};

use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower_multiserver::{
    Identity, PeerId,
    knock::message,
    ragep2p::{Host, Limits, Stream, Version},
};

use super::raw;
use crate::lab::{Map, PATIENCE, builder, id, identity, numbered, recv, send, socket, wide};

/// Seeds of the peers.
pub(crate) const ALICE: u8 = 1;
pub(crate) const BOB: u8 = 2;
pub(crate) const MALLORY: u8 = 66;

/// Types of frames.
pub(crate) const OPEN: u8 = 1;
pub(crate) const CLOSE: u8 = 2;
pub(crate) const MESSAGE: u8 = 3;
pub(crate) const REQUEST: u8 = 4;
pub(crate) const RESPONSE: u8 = 5;

/// So that the good peer is there at once.
const SOON: Duration = Duration::from_millis(10);

/// Bob, a host with a stream to Alice, who is good, and to Mallory, who is a peer too.
pub(crate) struct Target {
    pub(crate) host: Host,
    /// Bob's end of the stream `test` to Mallory.
    pub(crate) stream: Stream,
    pub(crate) good: Good,
}

/// Both ends of the stream between Alice and Bob.
pub(crate) struct Good {
    _alice: Host,
    alices: Stream,
    bobs: Stream,
    count: u64,
}

impl Target {
    pub(crate) async fn new(version: Version) -> Self {
        Self::with(version, wide()).await
    }

    /// With these limits of the stream to Mallory.
    pub(crate) async fn with(version: Version, limits: Limits) -> Self {
        let host = builder(BOB, &Map::default()).version(version);
        Self::of(host.start().await.expect("it starts"), limits).await
    }

    pub(crate) async fn of(host: Host, limits: Limits) -> Self {
        let stream = host.stream(id(MALLORY), "test").limits(limits).open();
        let bobs = host.stream(id(ALICE), "test").limits(wide()).open();
        let alice = alice(&socket(&host)).await;
        let alices = alice.stream(id(BOB), "test").limits(wide()).open();
        let mut good = Good {
            _alice: alice,
            alices: alices.expect("open"),
            bobs: bobs.expect("open"),
            count: 0,
        };
        good.round_trip().await;
        Self {
            host,
            stream: stream.expect("open"),
            good,
        }
    }

    /// A connection on which nothing was said.
    pub(crate) async fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(socket(&self.host)).await;
        let socket = socket.expect("it listens");
        socket.set_nodelay(true).expect("a socket");
        socket
    }

    /// A connection on which Mallory, or who has heard him, has knocked.
    pub(crate) async fn knocked(&self) -> TcpStream {
        let mut socket = self.connect().await;
        socket.write_all(&knock()).await.expect("it listens");
        socket
    }

    /// Mallory, let in.
    pub(crate) async fn attacker(&self) -> Attacker {
        let own = raw::honest(&identity(MALLORY));
        self.attacker_as(raw::client(Some(own))).await
    }

    pub(crate) async fn attacker_as(&self, config: ClientConfig) -> Attacker {
        let tls = connect(config, self.knocked().await).await;
        Attacker(tls.expect("let in"))
    }

    /// The attacker's next message, on a connection that is up or on a new one.
    pub(crate) async fn hears(&mut self, message: &str) {
        let heard = recv(&mut self.stream).await;
        assert_eq!(String::from_utf8_lossy(&heard), message);
    }
}

impl Good {
    /// A message, and another back.
    pub(crate) async fn round_trip(&mut self) {
        self.count += 1;
        let message = numbered(self.count, 100);
        send(&mut self.alices, message.clone()).await;
        assert_eq!(recv(&mut self.bobs).await, message);
        send(&mut self.bobs, message.clone()).await;
        assert_eq!(recv(&mut self.alices).await, message);
    }
}

/// Alice, who knows where Bob is.
pub(crate) async fn alice(bob: &str) -> Host {
    let map = Map::default();
    map.set(id(BOB), [format!("net:{bob}").parse().expect("an address")]);
    let host = Host::builder(identity(ALICE)).discover(map);
    host.dial_interval(SOON).start().await.expect("it starts")
}

/// Mallory's knock at Bob's door.
pub(crate) fn knock() -> [u8; message::LENGTH] {
    message::write(&identity(MALLORY), id(BOB)).expect("they are two")
}

pub(crate) async fn connect(
    config: ClientConfig,
    socket: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(raw::no_name(), socket).await
}

/// All that is said until the connection ends, however it does.
pub(crate) async fn heard(socket: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let end = timeout(PATIENCE, socket.read_to_end(&mut heard)).await;
    // A reset is an end too.
    let _ = end.expect("it ends");
    heard
}

/// The id of a stream between Mallory and Bob.
pub(crate) fn stream_id(name: &[u8]) -> [u8; 32] {
    let [one, other] = [MALLORY, BOB].map(|seed| *PeerId::public_key(&id(seed)).as_bytes());
    let hash = Sha256::new()
        .chain_update(one.max(other))
        .chain_update(one.min(other))
        .chain_update(name);
    hash.finalize().into()
}

/// A header, whatever comes after it.
pub(crate) fn header(frame: u8, stream: &[u8], len: u32) -> Vec<u8> {
    [&[frame][..], &stream_id(stream), &len.to_be_bytes()].concat()
}

/// A whole frame.
pub(crate) fn frame(frame: u8, stream: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short");
    [&header(frame, stream, len), payload].concat()
}

/// The frame that opens a stream.
pub(crate) fn open(stream: &str) -> Vec<u8> {
    frame(OPEN, stream.as_bytes(), stream.as_bytes())
}

/// A frame with a message on a stream.
pub(crate) fn data(stream: &str, message: impl AsRef<[u8]>) -> Vec<u8> {
    frame(MESSAGE, stream.as_bytes(), message.as_ref())
}

/// The next frame: its type, its stream, what it brings.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<(u8, [u8; 32], Vec<u8>)> {
    let read = async {
        let mut header = [0; 37];
        from.read_exact(&mut header).await?;
        let len = u32::from_be_bytes(header[33..].try_into().expect("four bytes"));
        let mut payload = vec![0; len as usize];
        from.read_exact(&mut payload).await?;
        let stream = header[1..33].try_into().expect("32 bytes");
        Ok((header[0], stream, payload))
    };
    timeout(PATIENCE, read).await.expect("it comes in time")
}

/// A connection of Mallory's, on which he writes frames by hand.
pub(crate) struct Attacker(pub(crate) TlsStream<TcpStream>);

impl Attacker {
    /// False when the connection has ended meanwhile.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let write = async {
            self.0.write_all(bytes.as_ref()).await?;
            self.0.flush().await
        };
        timeout(PATIENCE, write).await.expect("it reads").is_ok()
    }

    /// The next frame.
    pub(crate) async fn read(&mut self) -> io::Result<(u8, [u8; 32], Vec<u8>)> {
        read(&mut self.0).await
    }

    /// How many frames come until the connection ends.
    pub(crate) async fn ended(&mut self) -> usize {
        let mut count = 0;
        while self.read().await.is_ok() {
            count += 1;
        }
        count
    }

    /// Whether the connection has not ended, as far as it has been heard of.
    pub(crate) async fn is_up(&mut self) -> bool {
        let mut bytes = [0; 1 << 10];
        let next = timeout(Duration::from_millis(1), self.0.read(&mut bytes));
        !matches!(next.await, Ok(Ok(0) | Err(_)))
    }
}

/// Whether a host of this runtime closes before any deadline of seconds that it has: time passes only while nothing else can
/// happen.
pub(crate) async fn closes_without_a_deadline(host: &Host) -> bool {
    tokio::time::pause();
    let start = Instant::now();
    assert!(host.close().await);
    let elapsed = start.elapsed();
    tokio::time::resume();
    elapsed < Duration::from_secs(1)
}

/// Someone whom Bob does not know.
pub(crate) fn stranger() -> Identity {
    identity(99)
}
