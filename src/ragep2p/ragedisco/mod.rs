//! Peers that tell each other where they are, as Chainlink's
//! [ragedisco](https://github.com/smartcontractkit/libocr/tree/master/networking/ragedisco) does.
//!
//! Each peer signs where it is, in an [`Announcement`]. To every other peer of its [`Group`]s it has a stream of the name
//! [`STREAM_NAME`], on which it tells, at first and then every while, all that the other may know: a [`Message`] of
//! protocol buffers, written in `wire.rs`. A [`Registry`] keeps the newest announcement of each peer, and answers which
//! ways lead to one. A [`Store`] keeps them over a restart. [`Ragedisco`] runs all that over the streams of a
//! [`Host`](super::Host).

mod addresses;
mod announcement;
mod discoverer;
mod endpoint;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod metrics;
mod registry;
mod service;
mod store;
#[cfg(test)]
mod testing;
mod wire;

use std::time::Duration;

pub use self::{
    announcement::{Announcement, BadSignature, Unverified},
    discoverer::{Ragedisco, RagediscoBuilder},
    endpoint::{Endpoint, Endpoints, MAX_ENDPOINT_LEN, MAX_ENDPOINTS},
    group::{Group, GroupDigest},
    registry::{Added, CounterSpent, GroupError, Outgoing, Received, Refusal, Registry, Removed},
    store::{Entry, FileStore, Store},
    wire::{Incoming, Malformed, Message},
};

/// The name of the streams.
pub const STREAM_NAME: &str = "ragedisco/v1";

/// How many messages a stream buffers in each direction. Only the newest matter.
pub const BUFFERED_MESSAGES: usize = 2;

/// The longest message in bytes. All that the largest groups can know is shorter.
pub const MAX_MESSAGE_LEN: usize = 110_000;

/// How many messages a peer may send at once: twice what is buffered. (As bytes: so many of [`MAX_MESSAGE_LEN`].)
pub const BURST_MESSAGES: u32 = 4;

/// How many different oracles all groups together may have.
pub const MAX_ORACLES: usize = 165;

/// The shortest time between two turns of telling all peers all that they may know. What is set to less counts as this.
pub const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// How often what is known is kept.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(120);

/// How many messages a second a peer may send: twice what one sends that tells all it knows every `interval`. (As bytes:
/// so many of [`MAX_MESSAGE_LEN`].)
pub fn message_rate(interval: Duration) -> f64 {
    2.0 / interval.max(MIN_INTERVAL).as_secs_f64()
}
