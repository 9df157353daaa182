//! The side that is dialed.

use std::fmt;

use tower_multiserver_core::{AppKey, Identity, PublicKey};

use crate::resolver::Resolver;

use super::{ACCEPT, AUTH, HELLO, HandshakeError, Outcome, state::State};

/// A server that waits for a hello.
pub struct Server {
    state: State,
    key: PublicKey,
}

/// A server that has made its hello.
pub struct ServerAuth {
    state: State,
    key: PublicKey,
}

/// A server that knows its client, and has not told it so.
#[derive(Debug)]
pub struct ServerAccept {
    outcome: Outcome,
}

impl Server {
    /// Begins a handshake as `identity`.
    pub fn new(app_key: &AppKey, identity: &Identity) -> Self {
        Self::with_resolver(Resolver::default(), app_key, identity)
    }

    pub(crate) fn with_resolver(resolver: Resolver, app_key: &AppKey, identity: &Identity) -> Self {
        let (secret, key) = (identity.x25519_secret(), identity.public_key());
        Self {
            state: State::server(resolver, app_key, &secret, key),
            key,
        }
    }

    /// Takes the client's hello, and makes the one to send.
    ///
    /// # Errors
    ///
    /// [`BadHello`](HandshakeError::BadHello) or [`NoRandomness`](HandshakeError::NoRandomness): send nothing.
    pub fn receive_hello(
        self,
        hello: &[u8; HELLO],
    ) -> Result<(ServerAuth, [u8; HELLO]), HandshakeError> {
        let Self { mut state, key } = self;
        state.read::<0>(hello, HandshakeError::BadHello)?;
        let hello = state.write(&[], HandshakeError::BadHello)?;
        Ok((ServerAuth { state, key }, hello))
    }
}

impl ServerAuth {
    /// Takes the client's proof.
    ///
    /// How long that takes tells which part of a wrong one is wrong, since the second can be opened only after the first.
    /// Its sender knows that anyway.
    ///
    /// # Errors
    ///
    /// [`BadAuth`](HandshakeError::BadAuth): send nothing more.
    pub fn receive_auth(self, auth: &[u8; AUTH]) -> Result<ServerAccept, HandshakeError> {
        let mut state = self.state;
        let signed = state.signed_by_client();
        let proof = state.read::<96>(auth, HandshakeError::BadAuth)?;
        let (Some(key), Some(signature)) = (proof.first_chunk(), proof.last_chunk()) else {
            return Err(HandshakeError::BadAuth);
        };
        let client = PublicKey::from_bytes(*key);
        let is_its_static = match (client.to_x25519(), state.peer()) {
            (Some(curved), Some(peer)) => curved == peer,
            _ => false,
        };
        if !is_its_static || !client.verify(&signed, signature) {
            return Err(HandshakeError::BadAuth);
        }
        let (receiving, sending) = state.split();
        let outcome = Outcome {
            peer: client,
            sending,
            receiving,
        };
        Ok(ServerAccept { outcome })
    }
}

impl ServerAccept {
    /// The key that the client has proved to hold. To refuse it, close without sending anything.
    pub fn client(&self) -> PublicKey {
        self.outcome.peer
    }

    /// Makes the consent to send.
    pub fn accept(self) -> ([u8; ACCEPT], Outcome) {
        let mut outcome = self.outcome;
        let mut accept = [0; ACCEPT];
        outcome.sending.seal(&[], &mut accept);
        (accept, outcome)
    }
}

/// Shows our public key alone.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Shows our public key alone.
impl fmt::Debug for ServerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAuth")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
