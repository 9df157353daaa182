//! How bytes reach a peer: the bottom of a stack.
//!
//! Each transport is one value that dials, listens and accepts; it may be cloned freely.
//!
//! # How a connection ends
//!
//! `poll_shutdown` says: my direction is over, I still read. What that means, and what the peer sees, depends on what the
//! connection is made of; a transform keeps what the transport below it has, unless it is named here.
//!
//! | | shutdown | the peer reads | dropped after a shutdown | dropped without one | the peer reads |
//! |---|---|---|---|---|---|
//! | `net`, `unix` | ends our direction | end | what the peer still sends is read for up to a second, so that no reset overtakes the end | closed at once | end |
//! | `channel` | ends our direction | end | as it is | closed at once | end |
//! | bare `channel` (`rn_channel`) | `end` goes out, the pipe stays open until the peer has ended too | end | the pipe is closed, and what the peer still sends is read for up to a second | `error` goes out | error, `ConnectionAborted`; `UnexpectedEof` where the pipe itself was cut |
//! | `ws` | flushes; the Close frame is held until the peer's has come or the connection is dropped | nothing yet | the Close frame goes out, and then as for `net` | closed at once | error, `UnexpectedEof` |
//! | `wss` | as `ws` | as `ws` | as `ws`, with the end of TLS (`close_notify`) behind the Close frame | closed at once | error, `UnexpectedEof` |
//! | `bluetooth` | the close is held until the peer's has come or the connection is dropped | nothing yet | closed; what was written goes out before | closed at once | end |
//! | `onion`, and a listener that is reached by it | flushes; the end is held until the peer's has come or the connection is dropped | nothing yet | the end goes out, and then as for `net` | the same | end, or `ConnectionReset` where it crosses what the peer sends |
//! | `hyperdht` | ends our direction, once all of it is acknowledged | end | as it is; cut when the peer has not ended within a second | the same | end; an error, `ConnectionReset`, when the peer destroys it or is cut off |
//! | any `~shs`, `~noise` or `~mtls` | goodbye, then the transport's shutdown | end | as the transport | no goodbye | error, `UnexpectedEof` |
//! | any `~gzip`, `~zstd`, `~deflate`, `~br` | end of the compressed stream, then as `~shs` | end | as the transport | no end | error, `UnexpectedEof` |
//!
//! So bare `ws`, `wss`, `bluetooth` and `onion` cannot end one direction and go on in the other
//! ([`HalfClose`](crate::HalfClose) is missing from their facts), and with `shs` over them they can. Only `ws`, `wss`, bare
//! `channel`, `shs`, `noise`, `mtls` and compression tell an end that nobody meant from one that somebody did; behind the
//! peer's Close frame the TLS of `wss` needs no end of its own. Everywhere what was sent before arrives first, an end is
//! told again at each further read, and a write behind one's own end is a `BrokenPipe`.

#[cfg(all(feature = "bluetooth", target_os = "linux"))]
pub mod bluetooth;
#[cfg(feature = "channel")]
pub mod channel;
#[cfg(any(feature = "net", feature = "unix"))]
mod external;
#[cfg(feature = "hyperswarm")]
pub mod hyperswarm;
#[cfg(any(
    feature = "hyperswarm",
    feature = "net",
    feature = "rn-channel",
    feature = "unix"
))]
mod last_words;
#[cfg(any(feature = "net", feature = "unix", feature = "rn-channel"))]
mod linger;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "onion")]
pub mod onion;
#[cfg(feature = "rn-channel")]
pub mod rn_channel;
#[cfg(feature = "net")]
mod tcp;
#[cfg(all(feature = "unix", unix))]
pub mod unix;
#[cfg(feature = "ws")]
pub mod ws;

#[cfg(any(
    feature = "hyperswarm",
    feature = "net",
    feature = "rn-channel",
    feature = "unix"
))]
pub use last_words::lingered;
#[cfg(any(feature = "net", feature = "unix", feature = "rn-channel"))]
pub use linger::Linger;
