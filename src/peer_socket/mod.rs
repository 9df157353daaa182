//! Swarms of message sockets between peers that prove their keys, after the PeerSocket API of the
//! [Beaker browser](https://github.com/beakerbrowser/beaker-core/pull/6).
//!
//! [`PeerSockets`] joins a [`Swarm`]: an open one, by a name, or that of an origin. There is a [`PeerSocket`] to each other
//! who is in it, over which messages go: JSON, bytes, or content of another type. What a peer says of itself to all, its
//! session data, is known before its first message. [`Loopback`] is ourselves.
//!
//! ```
//! use futures_util::StreamExt;
//! use serde_json::json;
//! use tower_multiserver::peer_socket::{MemoryHub, PeerSockets, SwarmId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = MemoryHub::new();
//! let room = SwarmId::open("pauls-chat-room");
//! let bob = PeerSockets::builder(hub.clone()).build()?;
//! let bob = bob.join_with(room.clone(), json!({ "name": "bob" })).await?;
//! let alice = PeerSockets::builder(hub).build()?.join(room).await?;
//!
//! let to_bob = alice.incoming().next().await.expect("bob is there");
//! assert_eq!(*to_bob.session_data().borrow(), Some(json!({ "name": "bob" })));
//! to_bob.send(json!({ "type": "text", "text": "Hello!" })).await?;
//!
//! let to_alice = bob.incoming().next().await.expect("alice has come");
//! let hello = to_alice.recv().await.expect("a message")?;
//! assert_eq!(hello, json!({ "type": "text", "text": "Hello!" }).into());
//! # Ok(())
//! # }
//! ```
//!
//! # Networks
//!
//! Where peers come from is for a [`Network`] to know: [`MemoryHub`] is one within a program, [`AddressNetwork`] dials and
//! listens at addresses of this crate, such as `net:HOST:PORT~shs:KEY`, and `HyperNetwork`, with the feature `hyperswarm`,
//! finds them by topic in the DHT of Hyperswarm. All that a network has to do is to authenticate peers and to hand over one
//! [`Link`] for each; it can ask a [`Guard`] whom to connect with.
//!
//! # Guarantees
//!
//! A peer is the key that it proved; who may come is asked before anything is said
//! ([`authorize`](PeerSocketsBuilder::authorize)). The messages of a socket come as they were sent, in order, and once. They
//! are lost with the connection: why it ended is [told](PeerSocket::close_reason), and a socket does not heal, but the next
//! connection brings a new one. Who is not in a swarm does not learn of it from who is.
//!
//! # Bounds
//!
//! There are [`DEFAULT_MAX_PEERS`] peers at once and messages of [`DEFAULT_MAX_MESSAGE`] bytes, unless set; 64 messages and
//! 256 KiB wait in each direction of a socket, or one that is longer. A socket that is full stops its sender: nothing is
//! dropped. All swarms that two peers share go over one connection, so a socket that nobody reads holds up the others to the
//! same peer, and those alone.
//!
//! # On the wire
//!
//! A connection carries frames of [protomux](https://www.npmjs.com/package/protomux) 3, in front of each its length in three
//! bytes, the lowest first, where the network keeps no borders; Hyperswarm keeps them. A swarm is a channel of the protocol
//! `peersocket/1`, whose id is the BLAKE2b-256 of the [`Topic`] with the hash of the connection as the key. With the opening
//! go the length of the session data, as protomux writes lengths, and the session data as JSON, of no length if there is
//! none. The messages on it, of type 0 and, where session data changes, 1, are the protocol buffers of 2018:
//!
//! ```proto
//! message PeerSocketMessage {
//!   optional PeerSocketMessageType messageType = 1 [default = MESSAGE]; // MESSAGE = 0, SESSION_DATA = 1
//!   required bytes content = 2;
//!   optional string contentType = 3;
//! }
//! ```
//!
//! [`BareSocket`] has them alone on a stream, each with its length in front, as they were then.

mod addresses;
mod bare;
mod choice;
mod compact;
mod discover;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod home;
#[cfg(feature = "hyperswarm")]
mod hyper;
mod incoming;
mod io;
mod lengths;
mod link;
mod links;
mod loopback;
mod malformed;
mod memory;
mod message;
mod mux;
mod network;
mod owner;
mod packet;
mod peers;
mod put;
mod queue;
mod roster;
mod session_data;
mod socket;
mod state;
mod swarm;
mod topic;
mod varint;

#[cfg(feature = "hyperswarm")]
pub use self::hyper::HyperNetwork;
pub use self::{
    addresses::AddressNetwork,
    bare::BareSocket,
    discover::Discovered,
    guard::Guard,
    incoming::{Events, Incoming},
    io::SocketIo,
    loopback::Loopback,
    malformed::Malformed,
    memory::MemoryHub,
    message::Message,
    network::{Link, Membership, Network, Node, Presence},
    peers::{DEFAULT_MAX_MESSAGE, DEFAULT_MAX_PEERS, PeerSockets, PeerSocketsBuilder},
    roster::SwarmEvent,
    session_data::SessionDataTooLong,
    socket::{PeerInfo, PeerSocket, SocketSink, SocketStream},
    state::{CloseReason, ReadyState, SendError},
    swarm::Swarm,
    topic::{SwarmId, SwarmKind, Topic},
};

/// How long session data may be as JSON, in bytes.
pub const MAX_SESSION_DATA: usize = 256;

/// How long the name of a content type may be, in bytes.
pub const MAX_CONTENT_TYPE: usize = 256;
