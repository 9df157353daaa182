//! The side that dials.

use std::fmt;

use tower_multiserver_core::{AppKey, Identity, PublicKey, UsableKey};
use zeroize::Zeroizing;

use crate::secretbox;

use super::{ACCEPT, AUTH, HELLO, HandshakeError, Outcome, secrets::Secrets};

/// A client that has made its hello.
pub struct Client {
    secrets: Box<Secrets>,
    identity: Identity,
    server: PublicKey,
}

/// A client that has made its proof.
pub struct ClientAuth {
    pub(super) secrets: Box<Secrets>,
    identity: Identity,
    server: PublicKey,
    /// Our signature and key, which the server signs.
    proof: Box<Zeroizing<[u8; 96]>>,
}

impl Client {
    /// Begins a handshake as `identity` with the holder of the key `server`, and makes the hello to send.
    ///
    /// # Errors
    ///
    /// [`BadServerKey`](HandshakeError::BadServerKey), or [`NoRandomness`](HandshakeError::NoRandomness).
    pub fn new(
        app_key: &AppKey,
        identity: &Identity,
        server: PublicKey,
    ) -> Result<(Self, [u8; HELLO]), HandshakeError> {
        let server = server
            .try_into()
            .map_err(|_| HandshakeError::BadServerKey)?;
        Self::to(server, app_key, identity)
    }

    /// Begins one with a server whose key is known to be usable.
    pub(crate) fn to(
        server: UsableKey,
        app_key: &AppKey,
        identity: &Identity,
    ) -> Result<(Self, [u8; HELLO]), HandshakeError> {
        Self::with_secrets(Secrets::generate(app_key)?, identity, server)
    }

    pub(super) fn with_secrets(
        mut secrets: Box<Secrets>,
        identity: &Identity,
        server: UsableKey,
    ) -> Result<(Self, [u8; HELLO]), HandshakeError> {
        secrets
            .with_server(server.x25519())
            .map_err(|_| HandshakeError::BadServerKey)?;
        let hello = secrets.hello();
        let client = Self {
            secrets,
            identity: identity.clone(),
            server: server.public_key(),
        };
        Ok((client, hello))
    }

    /// Takes the server's hello, and makes the proof to send.
    ///
    /// # Errors
    ///
    /// [`BadHello`](HandshakeError::BadHello): send nothing more.
    pub fn receive_hello(
        self,
        hello: &[u8; HELLO],
    ) -> Result<(ClientAuth, [u8; AUTH]), HandshakeError> {
        let Self {
            mut secrets,
            identity,
            server,
        } = self;
        secrets.receive_hello(hello)?;
        secrets
            .as_client(&identity.x25519_secret())
            .map_err(|_| HandshakeError::BadHello)?;

        let mut proof = Box::new(Zeroizing::new([0; 96]));
        let (signature, key) = proof.split_at_mut(64);
        signature.copy_from_slice(&identity.sign(&*secrets.signed_by_client(server)));
        key.copy_from_slice(identity.public_key().as_bytes());
        let mut auth = [0; AUTH];
        let (tag, sealed) = auth.split_at_mut(16);
        // The nonce of either proof is zero: its key is of this handshake alone.
        let made = secretbox::seal(&secrets.auth_key(), &[0; 24], &**proof, sealed);
        tag.copy_from_slice(&made);
        let client = ClientAuth {
            secrets,
            identity,
            server,
            proof,
        };
        Ok((client, auth))
    }
}

impl ClientAuth {
    /// Takes the server's proof.
    ///
    /// # Errors
    ///
    /// [`BadAccept`](HandshakeError::BadAccept): send nothing more.
    pub fn receive_accept(self, accept: &[u8; ACCEPT]) -> Result<Outcome, HandshakeError> {
        let Some((tag, sealed)) = accept.split_first_chunk() else {
            return Err(HandshakeError::BadAccept);
        };
        let mut signature = Zeroizing::new([0; 64]);
        let key = self.secrets.accept_key();
        let is_opened = secretbox::open(&key, &[0; 24], tag, sealed, &mut *signature);
        let signed = self.secrets.signed_by_server(&self.proof);
        if !is_opened || !self.server.verify(&*signed, &signature) {
            return Err(HandshakeError::BadAccept);
        }
        Ok(self.outcome())
    }

    /// What the handshake comes to if the server proves itself.
    pub(crate) fn outcome(&self) -> Outcome {
        let us = self.identity.public_key();
        let (sending, receiving) = self.secrets.box_keys(us, self.server);
        Outcome {
            peer: self.server,
            sending,
            receiving,
        }
    }
}

/// Shows the keys alone that are public.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Shows the keys alone that are public.
impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
