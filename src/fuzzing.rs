//! Bodies of fuzz targets: whatever the bytes, none panics. Those of the layers stand in their crates.

#[cfg(feature = "serde")]
pub use crate::config::fuzzing as config;
#[cfg(feature = "dns")]
pub use crate::dial::lookup::fuzzing as lookup;
#[cfg(feature = "peer-socket")]
pub use crate::peer_socket::fuzzing as peer_socket;
#[cfg(feature = "ragep2p")]
pub use crate::ragep2p::fuzzing as ragep2p;
#[cfg(feature = "ssb")]
pub use crate::ssb::fuzzing as ssb;
#[cfg(all(feature = "bluetooth", target_os = "linux"))]
pub use crate::transport::bluetooth::fuzzing as bluetooth;
#[cfg(feature = "hyperswarm")]
pub use crate::transport::hyperswarm::fuzzing as hyperswarm;
#[cfg(feature = "onion")]
pub use crate::transport::onion::fuzzing as onion;
#[cfg(feature = "rn-channel")]
pub use crate::transport::rn_channel::fuzzing as rn_channel;
#[cfg(feature = "ws")]
pub use crate::transport::ws::fuzzing as ws;
#[cfg(feature = "wss")]
pub use crate::transport::ws::wss::fuzzing as wss;
