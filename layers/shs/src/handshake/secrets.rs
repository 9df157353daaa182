//! What both sides compute alike.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use tower_multiserver_core::{AppKey, PublicKey, x25519};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::box_stream::BoxKey;

use super::{HELLO, HandshakeError};

pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The secrets of one handshake. They are wiped from memory however it ends, and live in a box, so that going from step
/// to step leaves no copies behind.
#[derive(ZeroizeOnDrop)]
pub(super) struct Secrets {
    app_key: [u8; 32],
    /// The X25519 secret that we made for this handshake, and its public key.
    ephemeral: [u8; 32],
    ephemeral_public: [u8; 32],
    /// Our hello without the key.
    mac: [u8; 32],
    /// The peer's hello without the key: its nonce.
    peer_mac: [u8; 32],
    peer_ephemeral: [u8; 32],
    /// The secret of the two ephemeral keys, `ab`.
    ab: [u8; 32],
    /// That of the client's ephemeral key and the server's identity, `aB`.
    client_server: [u8; 32],
    /// That of the client's identity and the server's ephemeral key, `Ab`.
    identity_ephemeral: [u8; 32],
}

/// A shared secret that everybody can compute, since the other key is of small order.
#[derive(Debug)]
pub(super) struct NotContributory;

impl Secrets {
    /// With an ephemeral key from the system's random source.
    pub(super) fn generate(app_key: &AppKey) -> Result<Box<Self>, HandshakeError> {
        let mut ephemeral = Secret::default();
        getrandom::fill(&mut *ephemeral).map_err(|_| HandshakeError::NoRandomness)?;
        Ok(Self::new(app_key, &ephemeral))
    }

    /// The same ephemeral key for two handshakes would be fatal.
    pub(super) fn new(app_key: &AppKey, ephemeral: &[u8; 32]) -> Box<Self> {
        let ephemeral_public = x25519::public_key(ephemeral);
        Box::new(Self {
            app_key: *app_key.as_bytes(),
            ephemeral: *ephemeral,
            ephemeral_public,
            mac: mac(app_key.as_bytes(), &ephemeral_public),
            peer_mac: [0; 32],
            peer_ephemeral: [0; 32],
            ab: [0; 32],
            client_server: [0; 32],
            identity_ephemeral: [0; 32],
        })
    }

    /// Our hello.
    pub(super) fn hello(&self) -> [u8; HELLO] {
        let mut hello = [0; HELLO];
        hello[..32].copy_from_slice(&self.mac);
        hello[32..].copy_from_slice(&self.ephemeral_public);
        hello
    }

    /// Takes the peer's hello, and computes `ab`. Nothing is computed before the code is right.
    pub(super) fn receive_hello(&mut self, hello: &[u8; HELLO]) -> Result<(), HandshakeError> {
        let (code, ephemeral) = hello.split_at(32);
        self.peer_mac.copy_from_slice(code);
        self.peer_ephemeral.copy_from_slice(ephemeral);
        let is_right: bool = mac(&self.app_key, &self.peer_ephemeral)
            .ct_eq(&self.peer_mac)
            .into();
        // A hello that comes back is not the peer's own.
        if !is_right || self.peer_ephemeral == self.ephemeral_public {
            return Err(HandshakeError::BadHello);
        }
        shared(&self.ephemeral, &self.peer_ephemeral, &mut self.ab)
            .map_err(|_| HandshakeError::BadHello)
    }

    /// Computes `aB`, as the client.
    pub(super) fn with_server(&mut self, server: &[u8; 32]) -> Result<(), NotContributory> {
        shared(&self.ephemeral, server, &mut self.client_server)
    }

    /// Computes `aB`, as the server.
    pub(super) fn as_server(&mut self, secret: &Secret) -> Result<(), NotContributory> {
        shared(secret, &self.peer_ephemeral, &mut self.client_server)
    }

    /// Computes `Ab`, as the server.
    pub(super) fn with_client(&mut self, client: &[u8; 32]) -> Result<(), NotContributory> {
        shared(&self.ephemeral, client, &mut self.identity_ephemeral)
    }

    /// Computes `Ab`, as the client.
    pub(super) fn as_client(&mut self, secret: &Secret) -> Result<(), NotContributory> {
        shared(secret, &self.peer_ephemeral, &mut self.identity_ephemeral)
    }

    /// The key of the client's proof.
    pub(super) fn auth_key(&self) -> Secret {
        hash(&[&self.app_key, &self.ab, &self.client_server])
    }

    /// The key of the server's proof.
    pub(super) fn accept_key(&self) -> Secret {
        hash(&[
            &self.app_key,
            &self.ab,
            &self.client_server,
            &self.identity_ephemeral,
        ])
    }

    /// What the client signs.
    pub(super) fn signed_by_client(&self, server: PublicKey) -> Zeroizing<[u8; 96]> {
        let mut text = Zeroizing::new([0; 96]);
        let (app_key, rest) = text.split_at_mut(32);
        let (key, hashed) = rest.split_at_mut(32);
        app_key.copy_from_slice(&self.app_key);
        key.copy_from_slice(server.as_bytes());
        hashed.copy_from_slice(&*hash(&[&self.ab]));
        text
    }

    /// What the server signs; `proof` is the client's signature and key.
    pub(super) fn signed_by_server(&self, proof: &[u8; 96]) -> Zeroizing<[u8; 160]> {
        let mut text = Zeroizing::new([0; 160]);
        let (app_key, rest) = text.split_at_mut(32);
        let (proved, hashed) = rest.split_at_mut(96);
        app_key.copy_from_slice(&self.app_key);
        proved.copy_from_slice(proof);
        hashed.copy_from_slice(&*hash(&[&self.ab]));
        text
    }

    /// The keys of the box streams to `peer` and to us.
    pub(super) fn box_keys(&self, us: PublicKey, peer: PublicKey) -> (BoxKey, BoxKey) {
        let secret = hash(&[&*self.accept_key()]);
        let key = |to: PublicKey, mac: &[u8; 32]| {
            let [nonce @ .., _, _, _, _, _, _, _, _] = *mac;
            BoxKey::new(&hash(&[&*secret, to.as_bytes()]), nonce)
        };
        // Each side's nonce is the code of the hello that it received.
        let sending = key(peer, &self.peer_mac);
        let receiving = key(us, &self.mac);
        (sending, receiving)
    }

    /// 32 bytes that look random and are no secret of a right handshake: the server works with them where it has
    /// nothing from the client.
    pub(super) fn decoy(&self) -> Secret {
        hash(&[&self.ephemeral_public, &self.ab])
    }
}

/// HMAC of SHA-512, cut to 32 bytes.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(super) fn mac(app_key: &[u8; 32], text: &[u8; 32]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha512>::new_from_slice(app_key).expect("a key may have any length");
    hmac.update(text);
    let code = hmac.finalize().into_bytes();
    let mut mac = [0; 32];
    mac.copy_from_slice(code.split_at(32).0);
    mac
}

/// X25519 (RFC 7748), but for secrets that are zero.
pub(super) fn shared(
    secret: &[u8; 32],
    public: &[u8; 32],
    shared: &mut [u8; 32],
) -> Result<(), NotContributory> {
    let secret = x25519::shared_secret(secret, public).ok_or(NotContributory)?;
    shared.copy_from_slice(&*secret);
    Ok(())
}

/// SHA-256 of the parts in a row.
fn hash(parts: &[&[u8; 32]]) -> Secret {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut hash = Secret::default();
    hasher.finalize_into((&mut *hash).into());
    hash
}
