//! Peers by key and by topic, wire-compatible with npm hyperswarm 4: `hyperdht:KEY` and `hyperswarm:TOPIC`.
//!
//! - `hyperdht:KEY` is one peer, by its Ed25519 public key: 64 hexadecimal digits, or 52 characters of z-base-32. The DHT says
//!   where it is, and the handshake (Noise IK) proves its key and ours. [`HyperDht`] is the transport.
//! - `hyperswarm:TOPIC` is whoever announces 32 bytes, in the same ways of writing. Each peer is dialed as `hyperdht:KEY` with
//!   the rest of the address, and an `shs` or `noise` without a key gets that same one. [`HyperSwarm`] finds and dials them.
//! - `dht:CHANNEL` is the topic that is the SHA-256 of the channel's name, as in multiserver-dht; but that one speaks the
//!   older hyperswarm 2, which has other wires, so that its peers and ours never meet.
//!
//! The borders of a connection's messages mean nothing, unless it is turned into [`HyperMessages`]. Swarms of message sockets
//! over it, with peers from npm too, are `peer_socket::HyperNetwork`.
//!
//! All transforms go over it. `noauth` is refused: the key is proven already.
//!
//! # Example
//!
//! A DHT on this machine, a server of it and a client.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::net::{Ipv4Addr, SocketAddrV4};
//!
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_multiserver::{Identity, Shutdown, StackExt, hyperswarm::{HyperDht, HyperNode}};
//!
//! let node = || -> Result<_, tower_multiserver::Error> {
//!     Ok(HyperNode::builder(Identity::generate()?).bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))
//! };
//! // The first node of a DHT asks nobody.
//! let first = node()?.bootstrap([""; 0]).persistent(true).spawn().await?;
//! let dht = [first.local_addr().await?];
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let server = HyperDht::new(node()?.bootstrap(dht).spawn().await?);
//! let mut incoming = server.listen("hyperdht", closing).await?;
//! let (_, address) = incoming.addresses()[0].clone();
//!
//! let client = HyperDht::new(node()?.bootstrap(dht).spawn().await?);
//! let (dialed, accepted) = tokio::join!(client.dial(address), incoming.next());
//! dialed?.write_all(b"hello").await?;
//! let mut accepted = accepted.expect("a peer")?;
//! assert_eq!(accepted.info().remote_key(), Some(client.node().public_key()));
//! let mut text = String::new();
//! accepted.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # What it stands on, and its limits
//!
//! The DHT, the handshake and the encryption are the crate `peeroxide-dht`. Who is dialed, accepted, kept and let go is decided
//! here, and the streams over UDP (UDX) are ours. Those of its companion `libudx` always tell a peer of room, so that one who
//! sends fast fills the memory of one who reads slowly; they send 1.2 MB/s at most; with much to send both ways at once they
//! were seen to stop for good; and a destroyed stream looks like one that ended. So streams of `libudx` only relay the packets
//! between the port of the node, which is its alone, and ours on the loopback interface. Nor is the crate's look-up of a topic
//! taken: where a node of the DHT claims to know more peers than there is memory for, it ends the process.
//!
//! - A node uses three UDP ports, two of them on 127.0.0.1, and each packet passes the kernel twice.
//! - On loopback, with as much both ways at once, some 8 MB/s go each way between our own nodes, and with npm 17 MB/s to it and
//!   14 MB/s from it. A dial takes some 5 ms between our own nodes and 10 ms with npm.
//! - All of it was tried on one machine alone, over a link with 40 ms of delay and 3 % of losses too, and not on the public DHT.
//! - A peer that has no IPv4 address where it is reached, directly or through a forwarded port or on the same network, is not
//!   reached: nobody punches holes in a NAT, and no relay is used. Such a peer can dial.
//! - A frame may be 16 MiB, and is in memory as a whole before it is read; beside it up to 256 KiB wait for a slow reader.

mod admission;
mod doorman;
mod failures;
mod found;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod inner;
mod io;
mod lookup;
mod manager;
mod meet;
mod messages;
mod met;
mod names;
mod node;
mod pump;
mod raw;
mod shared;
mod swarm;
mod swarm_io;
mod transport;
mod udx;

#[cfg(feature = "serde")]
pub(crate) use self::{
    found::at as peer_of,
    inner::Gate,
    names::{Key, is_rendezvous},
};
pub use self::{
    io::HyperIo,
    messages::HyperMessages,
    names::Topic,
    node::{HyperNode, HyperNodeBuilder},
    swarm::{HyperSwarm, Swarm},
    swarm_io::SwarmIo,
    transport::{Handshake, HyperDht, HyperDhtListener, HyperSocket},
};
