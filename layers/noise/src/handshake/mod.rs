//! The handshake, both sides, free of IO: bytes in, bytes out, and each step is a type, so that none can be skipped.
//!
//! It is `Noise_XKpsk0_25519_ChaChaPoly_SHA256` (<https://noiseprotocol.org/noise.html>, revision 34) and a fourth message
//! by which the server lets the client in. Every message has one length.
//!
//! ```text
//! client → server   hello    48   psk, e, es            ‖ tag of nothing
//! server → client   hello    48   e, ee                 ‖ tag of nothing
//! client → server   auth    160   s (32), tag, se       ‖ sealed A ‖ signature (96), tag
//! server → client   accept   16   the first transport message of the server: the tag of nothing
//! ```
//!
//! What is what, byte by byte, stands in the [crate's documentation](crate#the-protocol-byte-by-byte).
//!
//! ```
//! use tower_multiserver_core::{AppKey, Identity};
//! use tower_multiserver_noise::handshake::{Client, Server};
//!
//! let (alice, bob) = (Identity::generate()?, Identity::generate()?);
//! let (client, hello) = Client::new(&AppKey::SSB, &alice, bob.public_key())?;
//! let (server, hello) = Server::new(&AppKey::SSB, &bob).receive_hello(&hello)?;
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
mod server;
mod state;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod vectors;

use std::{error, fmt};

use tower_multiserver_core::PublicKey;

use crate::transport::TransportKey;

pub use self::{
    client::{Client, ClientAuth},
    server::{Server, ServerAccept, ServerAuth},
};

/// The name of the Noise protocol, which is hashed into every handshake.
pub const PROTOCOL: &str = "Noise_XKpsk0_25519_ChaChaPoly_SHA256";
/// What the prologue begins with; the server's Ed25519 key is the rest of it.
pub const PROLOGUE: &[u8; 25] = b"tower-multiserver noise 1";
/// What the text begins with that a client signs; the handshake's hash is the rest of it.
pub const SIGNED: &[u8; 32] = b"tower-multiserver noise client 1";

/// The length of either hello, in bytes.
pub const HELLO: usize = 48;
/// The length of the client's proof, in bytes.
pub const AUTH: usize = 160;
/// The length of the server's consent, in bytes.
pub const ACCEPT: usize = 16;

/// What a finished handshake leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// The key that the peer has proved to hold.
    pub peer: PublicKey,
    /// The key of what we send.
    pub sending: TransportKey,
    /// The key of what we receive.
    pub receiving: TransportKey,
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
    /// The peer's hello is not one of our network, or not meant for the key that was dialed.
    BadHello,
    /// To the client: the server closed when it saw our proof.
    AuthRefused,
    /// To the server: the client's proof is wrong.
    BadAuth,
    /// To the client: the server's consent is wrong.
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
                "the server hung up at our hello: it is busy, holds another key than the one dialed, has another app key or speaks another protocol"
            }
            Self::BadHello => {
                "the peer's hello is wrong: it means another key, has another app key or speaks another protocol"
            }
            Self::AuthRefused => "the server hung up at our proof: it does not want us",
            Self::BadAuth => "the client did not prove that it holds its key",
            Self::BadAccept => "the server's consent was tampered with",
            Self::ClientGone => "the client hung up during the handshake",
        })
    }
}

impl error::Error for HandshakeError {}
