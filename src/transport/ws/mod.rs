//! WebSocket: `ws://HOST[:PORT][/PATH][?QUERY]` (RFC 6455).
//!
//! A [`Ws`] never dials a `wss` address, nor listens at one: that is for another transport, with the feature `wss`.
//!
//! The bytes of a connection travel as the payload of binary messages, whose borders mean nothing, as in the JavaScript
//! multiserver. See [`WsIo`] for how it ends.
//!
//! # URLs
//!
//! The section's name is lower case. A host is a name in ASCII, an IPv4 address, or an IPv6 address in brackets and
//! without a zone; the port is 80 unless said. Refused, where JavaScript would mend or drop it: a URL without a host, a
//! user name or password, a fragment, characters that are not printable ASCII.
//!
//! # Listening
//!
//! A [`Ws`] listens in one of two ways. [`Ws::new`] opens a small HTTP server of its own; a path in the address that it
//! listens at is required of peers and advertised, without one any path will do. [`Ws::hosted`] is for a server that
//! you have already: its other half is a service that answers requests on the route where you mount it.
//!
//! A page of any site can open a WebSocket to this machine. So a connection of [`Scope::Device`](crate::Scope::Device)
//! is refused unless its `Host` is localhost or a loopback address, and so is its `Origin` where a browser sends one.
//! Others may be allowed by name, with [`Ws::allow_origins`] and [`Ws::allow_hosts`], which then bind connections of all
//! scopes.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver::Error> {
//! use tower_multiserver::{Shutdown, StackExt, ws::{Request, Ws}};
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let mut incoming = Ws::new().listen("ws://127.0.0.1:0/chat", closing).await?;
//! let (_scope, address) = incoming.addresses()[0].clone();
//!
//! let ws = Ws::new();
//! let (dialed, accepted) = tokio::join!(ws.dial(address), incoming.next());
//! dialed?;
//! let accepted = accepted.expect("a peer")?;
//! let request: &Request = accepted.info().get().expect("a fact");
//! assert_eq!(request.uri(), "/chat");
//! # Ok(())
//! # }
//! ```

mod decode;
mod dial;
mod door;
mod fallback;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod io;
mod listen;
mod request;
mod rules;
mod serve;
mod service;
mod settings;
mod spare;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;
mod url;
#[cfg(test)]
mod url_vectors;
mod violation;
#[cfg(feature = "wss")]
pub mod wss;

pub use self::{
    dial::Refused,
    door::{WsService, WsSocket},
    io::WsIo,
    listen::WsListener,
    request::Request,
    settings::Ws,
    url::{ListenUrl, Url},
    violation::{Aborted, Violation},
};

/// The most that the head of a request or of an answer may hold, since it is kept until it is whole, before anybody has
/// proved anything: the 8000 bytes of a request line for which RFC 9112 asks (section 3), and a little. More would have
/// [`hyper`] take a buffer of twice as much.
const MAX_HEAD: usize = 8 * 1024;
