//! How bytes reach a peer: the bottom of a stack.
//!
//! Each transport is one value that dials, listens and accepts; it may be cloned freely.

#[cfg(feature = "channel")]
pub mod channel;
#[cfg(any(feature = "net", feature = "unix"))]
mod external;
#[cfg(any(feature = "net", feature = "unix"))]
mod linger;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
mod tcp;
#[cfg(all(feature = "unix", unix))]
pub mod unix;
#[cfg(feature = "ws")]
pub mod ws;

#[cfg(any(feature = "net", feature = "unix"))]
pub use linger::Linger;
