//! Secret Handshake 1, both sides, free of IO: bytes in, bytes out, and each step is a type, so that none can be skipped.
//!
//! ```text
//! client → server   hello    64   HMAC(a, K) ‖ a
//! server → client   hello    64   HMAC(b, K) ‖ b
//! client → server   auth    112   secretbox(sigA ‖ A)     key: H(K ‖ ab ‖ aB)        sigA: K ‖ B ‖ H(ab)
//! server → client   accept   80   secretbox(sigB)         key: H(K ‖ ab ‖ aB ‖ Ab)   sigB: K ‖ sigA ‖ A ‖ H(ab)
//! ```
//!
//! `K` is the key of the network, `A` and `B` are the long-term Ed25519 keys, `a` and `b` X25519 keys made for this one
//! handshake, `ab` and so on their shared secrets, `H` SHA-256, HMAC that of SHA-512 cut to 32 bytes.
//!
//! The client must know `B`, and shows `A` to nobody but the holder of `B`. Who does not know `K` gets no byte out of a
//! server. The server can refuse a client that it knows, and the client cannot tell that from a wrong `B`.
//!
//! Sources: <https://dominictarr.github.io/secret-handshake-paper/shs.pdf>,
//! <https://ssbc.github.io/scuttlebutt-protocol-guide/#handshake> and npm `secret-handshake` 1.1.21. Beyond them it
//! refuses every shared secret that is zero before it answers, since such a one needs no secret
//! (<https://eprint.iacr.org/2019/526>).
//!
//! ```
//! use tower_multiserver_core::{AppKey, Identity};
//! use tower_multiserver_shs::handshake::{Client, Server};
//!
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let (client, hello) = Client::new(&AppKey::SSB, &alice, bob.public_key())?;
//! let (server, hello) = Server::new(&AppKey::SSB, &bob)?.receive_hello(&hello)?;
//! let (client, auth) = client.receive_hello(&hello)?;
//! let server = server.receive_auth(&auth)?;
//! assert_eq!(server.client(), alice.public_key());
//! let (accept, server) = server.accept();
//! let client = client.receive_accept(&accept)?;
//! assert_eq!(client.sending.key(), server.receiving.key());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod secrets;
mod server;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof;

use std::{error, fmt};

use tower_multiserver_core::PublicKey;

use crate::box_stream::BoxKey;

pub use self::{
    client::{Client, ClientAuth},
    server::{Server, ServerAccept, ServerAuth},
};

/// The length of either hello, in bytes.
pub const HELLO: usize = 64;
/// The length of the client's proof, in bytes.
pub const AUTH: usize = 112;
/// The length of the server's proof, in bytes.
pub const ACCEPT: usize = 80;

/// What a finished handshake leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// The key that the peer has proved to hold.
    pub peer: PublicKey,
    /// The key of the box stream that we send.
    pub sending: BoxKey,
    /// The key of the box stream that we receive.
    pub receiving: BoxKey,
}

/// Why there is no handshake. On the wire all of them look alike: the side that sees one closes and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The key to dial is no usable Ed25519 key: not on the curve, not canonical, or of small order.
    BadServerKey,
    /// The system has no random numbers.
    NoRandomness,
    /// To the client: the server closed when it saw our hello.
    HelloRefused,
    /// The peer's hello is not one of our network.
    BadHello,
    /// To the client: the server closed when it saw our proof.
    AuthRefused,
    /// To the server: the client's proof is wrong.
    BadAuth,
    /// To the client: the server's proof is wrong.
    BadAccept,
    /// To the server: the client closed before its proof.
    ClientGone,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadServerKey => "the server's key is no usable Ed25519 public key",
            Self::NoRandomness => "the system has no random numbers",
            Self::HelloRefused => {
                "the server hung up at our hello: it is busy, has another app key or speaks another protocol"
            }
            Self::BadHello => "the peer's hello is wrong: it has another app key or speaks another protocol",
            Self::AuthRefused => {
                "the server hung up at our proof: it holds another key than the one dialed, or does not want us"
            }
            Self::BadAuth => "the client's proof is wrong: it dialed another key than ours",
            Self::BadAccept => "the server did not prove that it holds the key dialed",
            Self::ClientGone => "the client hung up during the handshake",
        })
    }
}

impl error::Error for HandshakeError {}
