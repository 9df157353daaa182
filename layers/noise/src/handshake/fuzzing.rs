//! Bodies of fuzz targets: a peer that knows the network, and the key that it dials, gets nothing out of either side but by
//! the handshake itself.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use tower_multiserver_core::{AppKey, Identity, Seed};

use super::*;
use crate::{
    middleman::{changed, key},
    resolver::Resolver,
};

static ALICE_AND_BOB: LazyLock<[Identity; 2]> =
    LazyLock::new(|| [[1; 32], [2; 32]].map(|seed| Identity::from_seed(&Seed::from_bytes(seed))));

/// What an honest client says, always the same: its proof ends in a signature, which no comparison gives away.
static HONEST: LazyLock<([u8; HELLO], [u8; AUTH])> = LazyLock::new(|| {
    let (client, hello) = client([3; 32]);
    let (_, answer) = server().receive_hello(&hello).expect("honest");
    let (_, auth) = client.receive_hello(&answer).expect("honest");
    (hello, auth)
});

fn client(random: [u8; 32]) -> (Client, [u8; HELLO]) {
    let [alice, bob] = &*ALICE_AND_BOB;
    let resolver = Resolver::fixed(random);
    let server = bob.public_key().try_into().expect("a usable key");
    Client::with_resolver(resolver, &AppKey::SSB, alice, server).expect("a usable key")
}

fn server() -> Server {
    let [_, bob] = &*ALICE_AND_BOB;
    Server::with_resolver(Resolver::fixed([4; 32]), &AppKey::SSB, bob)
}

/// A server takes no client's messages but the honest ones.
pub fn server_messages(data: &[u8]) {
    let _ = against_server(&mut Unstructured::new(data));
}

fn against_server(u: &mut Unstructured<'_>) -> Result<()> {
    let (honest_hello, honest_auth) = &*HONEST;
    let hello = changed(u, honest_hello)?;
    let Ok((server, _)) = server().receive_hello(&hello) else {
        assert_ne!(hello, *honest_hello);
        return Ok(());
    };
    let auth = changed(u, honest_auth)?;
    let is_honest = (&hello, &auth) == (honest_hello, honest_auth);
    assert_eq!(server.receive_auth(&auth).is_ok(), is_honest);
    Ok(())
}

/// A client takes no server's messages but the honest ones.
pub fn client_messages(data: &[u8]) {
    let _ = against_client(&mut Unstructured::new(data), key(data));
}

fn against_client(u: &mut Unstructured<'_>, random: [u8; 32]) -> Result<()> {
    let (client, client_hello) = client(random);
    let (server, honest_hello) = server().receive_hello(&client_hello).expect("honest");
    let hello = changed(u, &honest_hello)?;
    let Ok((client, auth)) = client.receive_hello(&hello) else {
        assert_ne!(hello, honest_hello);
        return Ok(());
    };
    let honest_accept = match server.receive_auth(&auth) {
        Ok(server) => server.accept().0,
        Err(_) => [0; ACCEPT],
    };
    let accept = changed(u, &honest_accept)?;
    let is_honest = (hello, accept) == (honest_hello, honest_accept);
    assert_eq!(client.receive_accept(&accept).is_ok(), is_honest);
    Ok(())
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
