//! The side that is dialed.

use std::fmt;

use tower_multiserver_core::{AppKey, Identity, PublicKey};
use zeroize::Zeroizing;

use crate::secretbox;

use super::{ACCEPT, AUTH, HELLO, HandshakeError, Outcome, secrets::Secrets};

/// A server that waits for a hello.
pub struct Server {
    secrets: Box<Secrets>,
    identity: Identity,
}

/// A server that has made its hello.
pub struct ServerAuth {
    pub(super) secrets: Box<Secrets>,
    pub(super) identity: Identity,
}

/// A server that knows its client, and has not told it so.
pub struct ServerAccept {
    secrets: Box<Secrets>,
    identity: Identity,
    client: PublicKey,
    /// The client's signature and key, which we sign.
    proof: Box<Zeroizing<[u8; 96]>>,
}

impl Server {
    /// Begins a handshake as `identity`.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`](HandshakeError::NoRandomness).
    pub fn new(app_key: &AppKey, identity: &Identity) -> Result<Self, HandshakeError> {
        Secrets::generate(app_key).map(|secrets| Self::with_secrets(secrets, identity))
    }

    pub(super) fn with_secrets(secrets: Box<Secrets>, identity: &Identity) -> Self {
        Self {
            secrets,
            identity: identity.clone(),
        }
    }

    /// Takes the client's hello, and makes the one to send.
    ///
    /// # Errors
    ///
    /// [`BadHello`](HandshakeError::BadHello): send nothing.
    pub fn receive_hello(
        self,
        hello: &[u8; HELLO],
    ) -> Result<(ServerAuth, [u8; HELLO]), HandshakeError> {
        let Self {
            mut secrets,
            identity,
        } = self;
        secrets.receive_hello(hello)?;
        secrets
            .as_server(&identity.x25519_secret())
            .map_err(|_| HandshakeError::BadHello)?;
        let hello = secrets.hello();
        Ok((ServerAuth { secrets, identity }, hello))
    }
}

impl ServerAuth {
    /// Takes the client's proof.
    ///
    /// It takes the same time whatever is wrong with a proof, and as long as for a right one.
    ///
    /// # Errors
    ///
    /// [`BadAuth`](HandshakeError::BadAuth): send nothing more.
    pub fn receive_auth(self, auth: &[u8; AUTH]) -> Result<ServerAccept, HandshakeError> {
        let Self {
            mut secrets,
            identity,
        } = self;
        let us = identity.public_key();
        let Some((tag, sealed)) = auth.split_first_chunk() else {
            return Err(HandshakeError::BadAuth);
        };
        let mut proof = Box::new(Zeroizing::new([0; 96]));
        let is_opened = secretbox::open(&secrets.auth_key(), &[0; 24], tag, sealed, &mut **proof);
        if !is_opened {
            // A signature of nobody, so that the work below is the same: a point, a number below the group's order, a key.
            let proof: &mut [u8; 96] = &mut proof;
            proof[..32].copy_from_slice(us.as_bytes());
            proof[32..64].copy_from_slice(&*secrets.decoy());
            proof[63] &= 0x0f;
            proof[64..].copy_from_slice(us.as_bytes());
        }
        let (Some(signature), Some(key)) = (proof.first_chunk(), proof.last_chunk()) else {
            return Err(HandshakeError::BadAuth);
        };
        let client = PublicKey::from_bytes(*key);
        let is_signed = client.verify(&*secrets.signed_by_client(us), signature);
        let is_shared = match client.to_x25519() {
            Some(curved) => secrets.with_client(&curved).is_ok(),
            None => false,
        };
        match is_opened & is_signed & is_shared {
            true => Ok(ServerAccept {
                secrets,
                identity,
                client,
                proof,
            }),
            false => Err(HandshakeError::BadAuth),
        }
    }
}

impl ServerAccept {
    /// The key that the client has proved to hold. To refuse it, close without sending anything.
    pub fn client(&self) -> PublicKey {
        self.client
    }

    /// Makes the proof to send.
    pub fn accept(self) -> ([u8; ACCEPT], Outcome) {
        let signed = self.secrets.signed_by_server(&self.proof);
        let signature = Zeroizing::new(self.identity.sign(&*signed));
        let mut accept = [0; ACCEPT];
        let (tag, sealed) = accept.split_at_mut(16);
        let made = secretbox::seal(&self.secrets.accept_key(), &[0; 24], &*signature, sealed);
        tag.copy_from_slice(&made);
        let us = self.identity.public_key();
        let (sending, receiving) = self.secrets.box_keys(us, self.client);
        let outcome = Outcome {
            peer: self.client,
            sending,
            receiving,
        };
        (accept, outcome)
    }
}

/// Shows our public key alone.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Shows our public key alone.
impl fmt::Debug for ServerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAuth")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Shows the public keys alone.
impl fmt::Debug for ServerAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAccept")
            .field("identity", &self.identity)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
