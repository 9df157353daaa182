//! Bodies of fuzz targets: a peer that knows the network, and whatever else it wants to know, gets nothing out of either
//! side but by the handshake itself.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use tower_multiserver_core::{AppKey, Identity, Seed};

use super::{
    secrets::{Secrets, mac},
    *,
};
use crate::{middleman::changed, secretbox};

/// An honest handshake, always the same: each proof ends in a signature, which no comparison gives away.
struct Honest {
    alice: Identity,
    bob: Identity,
    client_hello: [u8; HELLO],
    server_hello: [u8; HELLO],
    auth: [u8; AUTH],
    accept: [u8; ACCEPT],
    auth_key: [u8; 32],
    accept_key: [u8; 32],
    /// What the boxes of the proofs hold.
    proof: [u8; 96],
    signature: [u8; 64],
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let [alice, bob] = [[1; 32], [2; 32]].map(|seed| Identity::from_seed(&Seed::from_bytes(seed)));
    let (client, client_hello) = client(&alice, &bob);
    let (server, server_hello) = server(&bob).receive_hello(&client_hello).expect("honest");
    let (client, auth) = client.receive_hello(&server_hello).expect("honest");
    let (auth_key, accept_key) = (*client.secrets.auth_key(), *client.secrets.accept_key());
    let (accept, _) = server.receive_auth(&auth).expect("honest").accept();
    Honest {
        proof: opened(&auth_key, &auth),
        signature: opened(&accept_key, &accept),
        alice,
        bob,
        client_hello,
        server_hello,
        auth,
        accept,
        auth_key,
        accept_key,
    }
});

fn client(alice: &Identity, bob: &Identity) -> (Client, [u8; HELLO]) {
    let secrets = Secrets::new(&AppKey::SSB, &[3; 32]);
    let server = bob.public_key().try_into().expect("a usable key");
    Client::with_secrets(secrets, alice, server).expect("a usable key")
}

fn server(bob: &Identity) -> Server {
    Server::with_secrets(Secrets::new(&AppKey::SSB, &[4; 32]), bob)
}

/// A server takes no client's proof but the honest one.
pub fn server_messages(data: &[u8]) {
    let _ = against_server(&mut Unstructured::new(data));
}

fn against_server(u: &mut Unstructured<'_>) -> Result<()> {
    let honest = &*HONEST;
    let hello = hello(u, &honest.client_hello)?;
    let Ok((server, _)) = server(&honest.bob).receive_hello(&hello) else {
        assert_ne!(hello, honest.client_hello);
        return Ok(());
    };
    let auth = message(u, &honest.auth, &honest.auth_key, &honest.proof)?;
    match server.receive_auth(&auth) {
        // The hello may be another one: of a point's two or three encodings X25519 makes the same.
        Ok(server) => {
            assert_eq!(auth, honest.auth);
            assert_eq!(server.client(), honest.alice.public_key());
        }
        Err(_) => assert_ne!((hello, auth), (honest.client_hello, honest.auth)),
    }
    Ok(())
}

/// A client takes no server's proof but the honest one.
pub fn client_messages(data: &[u8]) {
    let _ = against_client(&mut Unstructured::new(data));
}

fn against_client(u: &mut Unstructured<'_>) -> Result<()> {
    let honest = &*HONEST;
    let (client, _) = client(&honest.alice, &honest.bob);
    let hello = hello(u, &honest.server_hello)?;
    let Ok((client, _)) = client.receive_hello(&hello) else {
        assert_ne!(hello, honest.server_hello);
        return Ok(());
    };
    let accept = message(u, &honest.accept, &honest.accept_key, &honest.signature)?;
    match client.receive_accept(&accept) {
        Ok(outcome) => {
            assert_eq!(accept, honest.accept);
            assert_eq!(outcome.peer, honest.bob.public_key());
        }
        Err(_) => assert_ne!((hello, accept), (honest.server_hello, honest.accept)),
    }
    Ok(())
}

/// The honest hello with some bytes changed, whose code may be right nevertheless.
fn hello(u: &mut Unstructured<'_>, honest: &[u8; HELLO]) -> Result<[u8; HELLO]> {
    let is_right = u.arbitrary()?;
    let mut hello = changed(u, honest)?;
    if is_right {
        let mut ephemeral = [0; 32];
        ephemeral.copy_from_slice(&hello[32..]);
        hello[..32].copy_from_slice(&mac(AppKey::SSB.as_bytes(), &ephemeral));
    }
    Ok(hello)
}

/// The honest message with some bytes changed, on the wire or within its box.
fn message<const N: usize, const TEXT: usize>(
    u: &mut Unstructured<'_>,
    honest: &[u8; N],
    key: &[u8; 32],
    text: &[u8; TEXT],
) -> Result<[u8; N]> {
    if !u.arbitrary()? {
        return changed(u, honest);
    }
    let text = changed(u, text)?;
    let mut message = [0; N];
    let (tag, sealed) = message.split_at_mut(16);
    tag.copy_from_slice(&secretbox::seal(key, &[0; 24], &text, sealed));
    Ok(message)
}

fn opened<const N: usize>(key: &[u8; 32], message: &[u8]) -> [u8; N] {
    let (tag, sealed) = message.split_first_chunk().expect("a tag");
    let mut text = [0; N];
    assert!(secretbox::open(key, &[0; 24], tag, sealed, &mut text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("shs_server", server_messages);
        replay("shs_client", client_messages);
    }
}
