//! Bodies of fuzz targets: a peer that knows the network, and the key that it dials, gets nothing out of either side but by
//! the handshake itself.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use tower_multiserver_core::{AppKey, Identity, Seed};

use super::*;
use crate::resolver::Resolver;

/// An honest handshake, always the same.
struct Honest {
    alice: Identity,
    bob: Identity,
    client_hello: [u8; HELLO],
    server_hello: [u8; HELLO],
    auth: [u8; AUTH],
    accept: [u8; ACCEPT],
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let [alice, bob] = [[1; 32], [2; 32]].map(|seed| Identity::from_seed(&Seed::from_bytes(seed)));
    let (client, client_hello) = client(&alice, &bob);
    let (server, server_hello) = server(&bob).receive_hello(&client_hello).expect("honest");
    let (_, auth) = client.receive_hello(&server_hello).expect("honest");
    let (accept, _) = server.receive_auth(&auth).expect("honest").accept();
    Honest {
        alice,
        bob,
        client_hello,
        server_hello,
        auth,
        accept,
    }
});

fn client(alice: &Identity, bob: &Identity) -> (Client, [u8; HELLO]) {
    let resolver = Resolver::fixed([3; 32]);
    let server = bob.public_key().try_into().expect("a usable key");
    Client::with_resolver(resolver, &AppKey::SSB, alice, server).expect("a usable key")
}

fn server(bob: &Identity) -> Server {
    Server::with_resolver(Resolver::fixed([4; 32]), &AppKey::SSB, bob)
}

/// A server takes no client's messages but the honest ones.
pub fn server_messages(data: &[u8]) {
    let _ = against_server(&mut Unstructured::new(data));
}

fn against_server(u: &mut Unstructured<'_>) -> Result<()> {
    let honest = &*HONEST;
    let hello = changed(u, &honest.client_hello)?;
    let Ok((server, _)) = server(&honest.bob).receive_hello(&hello) else {
        assert_ne!(hello, honest.client_hello);
        return Ok(());
    };
    let auth = changed(u, &honest.auth)?;
    let is_honest = (hello, auth) == (honest.client_hello, honest.auth);
    assert_eq!(server.receive_auth(&auth).is_ok(), is_honest);
    Ok(())
}

/// A client takes no server's messages but the honest ones.
pub fn client_messages(data: &[u8]) {
    let _ = against_client(&mut Unstructured::new(data));
}

fn against_client(u: &mut Unstructured<'_>) -> Result<()> {
    let honest = &*HONEST;
    let (client, _) = client(&honest.alice, &honest.bob);
    let hello = changed(u, &honest.server_hello)?;
    let Ok((client, _)) = client.receive_hello(&hello) else {
        assert_ne!(hello, honest.server_hello);
        return Ok(());
    };
    let accept = changed(u, &honest.accept)?;
    let is_honest = (hello, accept) == (honest.server_hello, honest.accept);
    assert_eq!(client.receive_accept(&accept).is_ok(), is_honest);
    Ok(())
}

fn changed<const N: usize>(u: &mut Unstructured<'_>, honest: &[u8; N]) -> Result<[u8; N]> {
    let mut bytes = *honest;
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.choose_index(N)?;
        let length = u.int_in_range(1..=32)?.min(N - at);
        u.fill_buffer(&mut bytes[at..at + length])?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("noise_server", server_messages);
        replay("noise_client", client_messages);
    }
}
