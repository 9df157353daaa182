//! Addresses, connections and transforms: what the author of a `tower-multiserver` layer builds on.
//!
//! An address is a list of sections, `net:host:8008~shs:KEY`: the first names a transport, each further one a
//! protocol laid over it. A stack is an ordinary tower service chain with one layer a section, and one stack value
//! answers three requests:
//!
//! | request | response | who sends it |
//! |---|---|---|
//! | [`Address`] | [`Connection`] | a user who dials |
//! | [`Listen`] | [`Bound`] | a user who opens a server |
//! | [`Accept<R>`](Accept) | [`Connection`] | [`Incoming`], for each socket that a [`Listener`] yields |
//!
//! Each layer takes the last section off an [`Address`] and calls the service below with what is left, all of it before
//! any IO. So an address that a stack does not understand is refused without side effects, and a stack dials only what
//! it was declared to be.
//!
//! [`writing_a_layer`] builds two real layers from nothing.
//!
//! # Example
//!
//! A transform for both sides. This one only adds its section; a real one shakes hands and wraps the stream.
//!
//! ```
//! use tower_multiserver_core::{Connection, Error, Io, Role, Section, Transform, Transformed};
//!
//! #[derive(Clone, Debug)]
//! struct HelloLayer;
//!
//! impl<S> tower_layer::Layer<S> for HelloLayer {
//!     type Service = Transformed<S, Self>;
//!
//!     fn layer(&self, inner: S) -> Self::Service {
//!         Transformed::new(inner, self.clone())
//!     }
//! }
//!
//! impl Transform for HelloLayer {
//!     type Args = ();
//!     type Io<I: Io> = I;
//!
//!     fn name(&self) -> &str {
//!         "hello"
//!     }
//!
//!     async fn upgrade<I: Io>(self, connection: Connection<I>, _: Role) -> Result<Connection<I>, Error> {
//!         Ok(connection.layered(Section::new("hello"), |io| io))
//!     }
//! }
//! ```

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

mod address;
mod authorize;
mod connection;
mod curve;
mod deadline;
mod error;
mod ext;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod grammar;
mod handshakes;
mod host;
mod identity;
mod incoming;
mod info;
mod io;
mod key_args;
pub mod key_file;
mod layer_time;
mod listen;
mod message;
mod multi_address;
#[cfg(feature = "peer-id")]
mod peer_id;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod scope;
pub mod sealed;
mod section;
mod shutdown;
#[cfg(feature = "testing")]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "of tests, which panic where something is wrong"
)]
pub mod testing;
pub mod trace;
mod transform;
mod transform_fn;
mod transport;
mod turn;
mod wakers;
mod wrap;
pub mod x25519;
#[cfg(any(doc, doctest))]
#[doc = include_str!("writing_a_layer.md")]
pub mod writing_a_layer {}

pub use address::Address;
pub use authorize::{AllowAll, AllowList, Authorize, Peer};
pub use connection::Connection;
pub use deadline::{ACCEPT_TIMEOUT, DIAL_TIMEOUT, within};
pub use error::{BoxError, Error, ErrorKind};
pub use ext::StackExt;
pub use host::one_host;
pub use identity::{AppKey, Identity, PublicKey, Seed, UsableKey};
pub use incoming::Incoming;
pub use info::{ClaimedKey, HalfClose, HeldClose, Info, LocalAddr, PeerAddr, RemoteKey};
pub use io::{BoxIo, Io};
pub use key_args::KeyArgs;
pub use key_file::KeyFile;
pub use layer_time::LayerTime;
pub use listen::{Accept, Bound, DialOnly, Listen, Listener};
pub use message::{receive_message, send_message};
pub use multi_address::MultiAddress;
#[cfg(feature = "peer-id")]
pub use peer_id::PeerId;
pub use scope::Scope;
pub use section::{FromSection, Section};
pub use shutdown::{Closing, Shutdown};
pub use transform::{Role, Transform, TransformFuture, Transformed};
pub use transform_fn::{TransformFn, transform_fn};
pub use transport::Transport;
pub use turn::{Turns, turn};
pub use wakers::Wakers;
pub use wrap::{Wrap, WrapFuture, Wrapped};
