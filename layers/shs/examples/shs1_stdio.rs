//! A secret handshake over stdin and stdout, in the way in which npm `shs1-test` drives an implementation.
//!
//! ```text
//! shs1_stdio NETWORK SERVER_SECRET SERVER_KEY     as the server
//! shs1_stdio NETWORK SERVER_KEY                   as a client
//! ```
//!
//! All of them are hexadecimal, the secret is the 64 bytes of libsodium. After the handshake it writes the key and the nonce
//! of what it would send, then those of what it would receive: 112 bytes. A peer that does not keep to the protocol ends
//! it with an error, and hears nothing more.
//!
//! It shows that the handshake needs no IO of ours: bytes in, bytes out.

use std::{
    env,
    error::Error,
    io::{Read, Write, stdin, stdout},
};

use tower_multiserver_core::{AppKey, Identity, PublicKey};
use tower_multiserver_shs::handshake::{Client, Outcome, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let outcome = match &arguments[..] {
        [network, secret, key] => serve(bytes(network)?, bytes(secret)?, bytes(key)?)?,
        [network, key] => dial(bytes(network)?, bytes(key)?)?,
        _ => return Err("NETWORK SERVER_SECRET SERVER_KEY, or NETWORK SERVER_KEY".into()),
    };
    let (sending, receiving) = (&outcome.sending, &outcome.receiving);
    let parts: [&[u8]; 4] = [
        sending.key(),
        sending.nonce(),
        receiving.key(),
        receiving.nonce(),
    ];
    say(&parts.concat())
}

fn serve(network: [u8; 32], secret: [u8; 64], key: [u8; 32]) -> Result<Outcome, Box<dyn Error>> {
    let identity = Identity::from_keypair_bytes(&secret)?;
    if identity.public_key() != PublicKey::from_bytes(key) {
        return Err("the key is not that of the secret".into());
    }
    let server = Server::new(&AppKey::from_bytes(network), &identity)?;
    let (server, hello) = server.receive_hello(&hear()?)?;
    say(&hello)?;
    let (accept, outcome) = server.receive_auth(&hear()?)?.accept();
    say(&accept)?;
    Ok(outcome)
}

fn dial(network: [u8; 32], key: [u8; 32]) -> Result<Outcome, Box<dyn Error>> {
    let (network, key) = (AppKey::from_bytes(network), PublicKey::from_bytes(key));
    let (client, hello) = Client::new(&network, &Identity::generate()?, key)?;
    say(&hello)?;
    let (client, auth) = client.receive_hello(&hear()?)?;
    say(&auth)?;
    Ok(client.receive_accept(&hear()?)?)
}

fn hear<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut message = [0; N];
    stdin().lock().read_exact(&mut message)?;
    Ok(message)
}

fn say(message: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    out.write_all(message)?;
    Ok(out.flush()?)
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Box<dyn Error>> {
    let bytes = hex::decode(text)?;
    Ok(bytes.try_into().map_err(|_| "of another length")?)
}
