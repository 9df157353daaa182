//! What carries swarms: a small trait, and the connections that it hands over.

use std::{fmt, io, net::SocketAddr, pin::Pin};

use bytes::Bytes;
use futures_core::{Stream, stream::BoxStream};
use futures_util::{
    FutureExt as _, Sink, SinkExt as _, StreamExt as _,
    future::{BoxFuture, ready},
};
use tokio_util::codec::Framed;

use super::{
    Guard, PeerInfo, Topic,
    lengths::{Lengths, Prefix},
    packet::Packet,
    put::Put as _,
};
use crate::{BoxIo, Error, Identity, Io, PublicKey};

/// Finds the peers of a topic and connects to them.
///
/// A network needs no care for what is said: it authenticates peers, and hands over one [`Link`] for each peer, however
/// many topics they share. All swarms of that peer go over it.
pub trait Network: Send + Sync + 'static {
    /// Appears on the network under this identity. Each origin and debug identity does so by itself.
    ///
    /// The guard is for networks that can ask it before they connect. About all other links it is asked later.
    fn open(&self, identity: Identity, guard: Guard) -> BoxFuture<'_, Result<Presence, Error>>;
}

/// One identity on a network. It is no more once it is dropped.
pub struct Presence {
    pub(super) node: Box<dyn Node>,
    pub(super) links: BoxStream<'static, Link>,
}

/// What one identity can do on a network.
pub trait Node: Send + Sync + 'static {
    /// Announces a topic and looks for its peers, until the membership is dropped. The connections come from the presence.
    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<Box<dyn Membership>, Error>>;

    /// Ends in good order, once every topic was left.
    fn close(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// That a topic is announced, and peers are looked for. Dropping it ends that without waiting.
pub trait Membership: Send + Sync + 'static {
    /// Ends it, and waits until others no longer hear of us.
    fn leave(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A connection to a peer that proved its key.
///
/// There is one at a time for each pair of keys, chosen by the network so that both ends choose the same. One that comes
/// while there is another takes its place.
pub struct Link {
    pub(super) info: PeerInfo,
    pub(super) handshake_hash: [u8; 64],
    pub(super) authorized: bool,
    pub(super) body: Body,
    pub(super) lease: Option<Box<dyn Send>>,
}

pub(super) enum Body {
    Bytes(BoxIo),
    Frames(FrameStream, FrameSink),
}

pub(super) type FrameStream = BoxStream<'static, io::Result<Bytes>>;
type FrameSink = Pin<Box<dyn Sink<Bytes, Error = io::Error> + Send>>;
pub(super) type PacketSink = Pin<Box<dyn Sink<Packet, Error = io::Error> + Send>>;

impl Presence {
    /// A presence whose connections come from `links`, whoever dialed.
    pub fn new(node: impl Node, links: impl Stream<Item = Link> + Send + 'static) -> Self {
        Self {
            node: Box::new(node),
            links: links.boxed(),
        }
    }
}

impl Link {
    /// A link over a stream that keeps no message borders. Frames have their length in front then, in three bytes with the
    /// lowest first, and an empty one is sent after five seconds of silence.
    ///
    /// The hash is known to both ends, to nobody else, and is of this connection alone: that of a Noise handshake is.
    pub fn over(io: impl Io, peer: PublicKey, handshake_hash: [u8; 64]) -> Self {
        Self::new(Body::Bytes(BoxIo::new(io)), peer, handshake_hash)
    }

    /// A link over a stream that keeps message borders, bounds their length, and notices by itself when the peer is gone.
    ///
    /// The end of the stream is that of the peer in good order; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) says
    /// that it fell silent, and any other that the connection is lost.
    pub fn over_frames(
        frames: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        sink: impl Sink<Bytes, Error = io::Error> + Send + 'static,
        peer: PublicKey,
        handshake_hash: [u8; 64],
    ) -> Self {
        let body = Body::Frames(frames.boxed(), Box::pin(sink));
        Self::new(body, peer, handshake_hash)
    }

    fn new(body: Body, peer: PublicKey, handshake_hash: [u8; 64]) -> Self {
        Self {
            info: PeerInfo {
                id: peer,
                address: None,
                initiator: false,
            },
            handshake_hash,
            authorized: false,
            body,
            lease: None,
        }
    }

    /// Says where the peer is.
    #[must_use]
    pub fn address(mut self, address: Option<SocketAddr>) -> Self {
        self.info.address = address;
        self
    }

    /// Says whether we dialed. If nothing is said, the peer did.
    #[must_use]
    pub fn initiator(mut self, initiator: bool) -> Self {
        self.info.initiator = initiator;
        self
    }

    /// Says that the [guard](Guard) has let the peer in, so that it is not asked again.
    #[must_use]
    pub fn authorized(mut self) -> Self {
        self.authorized = true;
        self
    }

    /// What is dropped when the link has ended, so that the network hears of it.
    #[must_use]
    pub fn lease(mut self, lease: impl Send + 'static) -> Self {
        self.lease = Some(Box::new(lease));
        self
    }
}

impl Body {
    /// Its frames; and whether we see to it that the peer is still there.
    pub(super) fn into_frames(self, max_frame: usize) -> (FrameStream, PacketSink, bool) {
        match self {
            Self::Frames(frames, sink) => {
                let sink = sink.with(|packet: Packet| ready(Ok(packet.to_bytes())));
                (frames, Box::pin(sink), false)
            }
            Self::Bytes(io) => {
                let framed = Framed::new(io, Lengths::new(Prefix::U24, max_frame));
                let (sink, frames) = framed.split();
                (frames.boxed(), Box::pin(sink), true)
            }
        }
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sink_can_be_closed_after_the_connection_broke() {
        let (ours, theirs) = tokio::io::duplex(64);
        drop(theirs);
        let (_, mut sink, _) = Body::Bytes(BoxIo::new(ours)).into_frames(1024);
        let sent = sink.send(Packet::Control(Bytes::from_static(b"x"))).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        // Whether that works or not.
        let _ = sink.close().await;
    }
}
