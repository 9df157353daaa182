#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Whatever comes from outside, it is an error at worst.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

#[cfg(any(feature = "peer-socket", feature = "ragep2p"))]
mod by_turns;
#[cfg(feature = "serde")]
pub mod config;
pub mod dial;
#[cfg(any(
    feature = "hyperswarm",
    feature = "peer-socket",
    feature = "rn-channel",
    feature = "ws"
))]
mod fits;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod integration;
mod lock;
mod multi_server;
#[cfg(feature = "peer-socket")]
pub mod peer_socket;
#[cfg(feature = "ragep2p")]
pub mod ragep2p;
#[cfg(test)]
#[path = "../fuzz/replay.rs"]
mod replay;
#[cfg(feature = "ssb")]
pub mod ssb;
pub mod transport;
#[cfg(any(feature = "peer-socket", feature = "ragep2p"))]
mod uneven;

pub use multi_server::{Listening, MultiServer};
pub use tower_multiserver_core::*;

#[cfg(any(
    feature = "gzip",
    feature = "zstd",
    feature = "deflate",
    feature = "brotli"
))]
#[doc(inline)]
pub use tower_multiserver_compression as compression;
#[cfg(feature = "knock")]
#[doc(inline)]
pub use tower_multiserver_knock as knock;
#[cfg(feature = "mtls")]
#[doc(inline)]
pub use tower_multiserver_mtls as mtls;
#[cfg(feature = "noauth")]
#[doc(inline)]
pub use tower_multiserver_noauth as noauth;
#[cfg(feature = "noise")]
#[doc(inline)]
pub use tower_multiserver_noise as noise;
#[cfg(feature = "shs")]
#[doc(inline)]
pub use tower_multiserver_shs as shs;
#[cfg(all(feature = "bluetooth", target_os = "linux"))]
#[doc(inline)]
pub use transport::bluetooth;
#[cfg(feature = "channel")]
#[doc(inline)]
pub use transport::channel;
#[cfg(feature = "hyperswarm")]
#[doc(inline)]
pub use transport::hyperswarm;
#[cfg(feature = "net")]
#[doc(inline)]
pub use transport::net;
#[cfg(feature = "onion")]
#[doc(inline)]
pub use transport::onion;
#[cfg(feature = "rn-channel")]
#[doc(inline)]
pub use transport::rn_channel;
#[cfg(all(feature = "unix", unix))]
#[doc(inline)]
pub use transport::unix;
#[cfg(feature = "ws")]
#[doc(inline)]
pub use transport::ws;
#[cfg(feature = "wss")]
#[doc(inline)]
pub use transport::ws::wss;
