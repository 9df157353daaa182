//! Streams of messages between Ed25519 identities that heal themselves: wire-compatible with `ragep2p` of
//! [libocr](https://github.com/smartcontractkit/libocr), in Go.
//!
//! A [`Host`] keeps one connection to each peer to which it has a [`Stream`]: it dials the peer, is dialed by it, and does so
//! again whenever the connection ends. A peer's link is the address `net:HOST:PORT~knock:PEERID~mtls:PEERID`, over any
//! transport of this crate: the [`knock`](crate::knock) keeps strangers out before anything is said, mutual TLS
//! ([`mtls`](crate::mtls)) proves who is there.
//!
//! See [`Host`] for an example, [`Stream`] for messages, [`RequestStream`] for requests and responses, [`Limits`] for how much
//! of everything, and [`Discoverer`] for where peers are.
//!
//! # Guarantees
//!
//! What a stream delivers was sent by the peer under the same name, is unaltered, comes in the order in which it was sent, and
//! comes once. Nothing goes to anybody but the peer, who must have proved its key.
//!
//! Messages may be lost, and nobody is told:
//!
//! - what was on its way when a connection ended,
//! - the oldest of those that wait, at either end, when there are more than [`Limits`] has room for (the sender is told:
//!   [`Sent::Evicted`]),
//! - what is above the rates or the length that the receiver's [`Limits`] allow. Who sends above a rate for long may lose all,
//!   see [`TokenBucket`].
//!
//! Messages that wait to be sent survive the end of a connection, and go over the next. There is no order between streams.
//!
//! # On the wire
//!
//! Inside TLS there are frames of a header of 37 bytes and a payload: streams are opened, by name, and closed, and messages go
//! over those that both ends have opened. A stream's id is the SHA-256 of both keys, the larger first, and the name.
//! [`Version::V2`] has requests and responses beside.
//!
//! # Bounds
//!
//! There are [`MAX_STREAMS`] streams to each of [`MAX_PEERS`] peers; names of [`MAX_NAME_LEN`] bytes, messages of [`MAX_MESSAGE_LEN`];
//! memory for what waits in the streams, as their limits say, and for one message that is being received from each peer. A
//! peer that does not read for five seconds while there is something to write loses the connection. Reading has no time limit:
//! an idle connection stays, as long as TCP's keep-alive finds the peer.

mod allowance;
mod discover;
mod error;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod host;
mod install;
mod limits;
mod link;
mod meter;
mod metrics;
mod mux;
mod peer;
mod policy;
pub mod ragedisco;
mod rate;
mod registry;
mod ring;
mod stream;
mod stream_builder;
mod stream_id;
mod taper;
mod tasks;
#[cfg(test)]
mod vectors;
mod violation;

pub use self::{
    discover::{Discoverer, KnownPeers},
    error::{OpenError, SendError},
    handle::HostHandle,
    host::{Host, HostBuilder},
    limits::{InvalidLimits, Limits},
    meter::{Meter, MeterIo, MeterLayer, Metered},
    policy::ResponsePolicy,
    rate::{RateLimit, TokenBucket},
    stream::{Message, Request, RequestStream, Sent, Stream},
    stream_builder::StreamBuilder,
    violation::Violation,
};

use self::stream_id::StreamId;

/// How many streams there may be to one peer.
pub const MAX_STREAMS: usize = 2000;

/// How many peers a host may have streams to.
pub const MAX_PEERS: usize = 256;

/// How long the name of a stream may be, in bytes.
pub const MAX_NAME_LEN: usize = 256;

/// How long a message may be, in bytes: 1 GiB.
pub const MAX_MESSAGE_LEN: usize = 1 << 30;

/// How many streams a peer may open and close on one connection.
pub const MAX_CONTROL_FRAMES: u32 = 2 * MAX_STREAMS as u32;

/// Which version of the Go package a host answers as. Both speak the same wire, and with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// Package `ragep2p`: a message that is too long, and more raw bytes than all streams together allow, end the connection.
    #[default]
    V1,
    /// Package `ragep2pnew`: has requests and responses. A message that is too long is dropped, and raw bytes are bounded by
    /// the content that they bring.
    V2,
}

/// Which messages go first, of those that wait for the same peer. It is for this host alone, and nothing of it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// When nothing else waits, and one time in eight before what does.
    Low,
    /// Before those of low priority.
    #[default]
    Default,
}
