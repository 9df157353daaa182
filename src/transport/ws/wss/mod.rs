//! WebSocket over TLS: `wss://HOST[:PORT][/PATH][?QUERY]` (RFC 6455 over RFC 8446).
//!
//! All that [`ws`](super) says of URLs, listening and endings holds here too; the port is 443 unless said. A [`Wss`] dials
//! and listens at `wss` addresses only, and a [`Ws`](super::Ws) at `ws` addresses only, so that no address talks a
//! client out of TLS.
//!
//! # Trust
//!
//! A client trusts the authorities of the platform, unless told otherwise with a [`Trust`]: given authorities, or pinned
//! keys. What is wrong with a certificate is an [`Error`](crate::Error) of kind
//! [`Certificate`](crate::ErrorKind::Certificate), whose source is an [`Untrusted`]. A server asks its clients for no
//! certificate: who they are is for the layers above, such as `shs`.
//!
//! # TLS
//!
//! TLS 1.3 and 1.2, with the name in the clear (SNI) unless the host is an IP address, ALPN `http/1.1`, and a whole
//! handshake for each connection: nothing is resumed and nothing is sent early, so that trust and the certificate are
//! looked at every time. Both ends learn a [`Tls`] as a fact. The process's default of `rustls` is neither used nor set; see
//! [`Provider`].
//!
//! A server shakes hands in a task for each socket, within the time and the number that sockets without a WebSocket have
//! (see [`Ws::max_connections`](super::Ws::max_connections)), so a mute client delays nobody.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_multiserver::{Shutdown, StackExt, wss::{Certificate, Tls, Trust, Wss}};
//!
//! let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! let certificate = Certificate::from_pem(
//!     made.cert.pem().as_bytes(),
//!     made.signing_key.serialize_pem().as_bytes(),
//! )?;
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let server = Wss::new().certificate(certificate);
//! let mut incoming = server.listen("wss://localhost:0", closing).await?;
//! let (_scope, address) = incoming.addresses()[0].clone();
//!
//! let client = Wss::new().trust(Trust::roots(made.cert.pem())?);
//! let (dialed, accepted) = tokio::join!(client.dial(address), incoming.next());
//! let dialed = dialed?;
//! let tls: &Tls = dialed.info().get().expect("a fact");
//! assert_eq!(tls.version().to_string(), "TLS 1.3");
//! assert_eq!(tls.peer_certificate(), Some(&made.cert.der()[..]));
//! accepted.expect("a peer")?;
//! # Ok(())
//! # }
//! ```

mod certificate;
mod error;
mod fact;
mod front;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod io;
mod pin;
mod service;
mod settings;
mod trust;

pub use self::{
    certificate::{Certificate, Unusable},
    error::{Reason, Untrusted},
    fact::{Tls, TlsVersion},
    io::TlsIo,
    pin::Pin,
    settings::Wss,
    trust::Trust,
};
#[doc(inline)]
pub use tower_multiserver_tls::Provider;
