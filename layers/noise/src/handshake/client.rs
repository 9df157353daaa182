//! The side that dials.

use std::fmt;

use tower_multiserver_core::{AppKey, Identity, PublicKey, UsableKey};
use zeroize::Zeroizing;

use crate::resolver::Resolver;

use super::{ACCEPT, AUTH, HELLO, HandshakeError, Outcome, state::State};

/// A client that has made its hello.
pub struct Client {
    state: State,
    identity: Identity,
    server: PublicKey,
}

/// A client that has made its proof.
#[derive(Debug)]
pub struct ClientAuth {
    pub(crate) outcome: Outcome,
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
        Self::with_resolver(Resolver::default(), app_key, identity, server)
    }

    pub(crate) fn with_resolver(
        resolver: Resolver,
        app_key: &AppKey,
        identity: &Identity,
        server: UsableKey,
    ) -> Result<(Self, [u8; HELLO]), HandshakeError> {
        let secret = identity.x25519_secret();
        let mut state = State::client(resolver, app_key, &secret, &server);
        let hello = state.write(&[], HandshakeError::BadServerKey)?;
        let client = Self {
            state,
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
            mut state,
            identity,
            server,
        } = self;
        state.read::<0>(hello, HandshakeError::BadHello)?;
        let mut proof = Zeroizing::new([0; 96]);
        let (key, signature) = proof.split_at_mut(32);
        key.copy_from_slice(identity.public_key().as_bytes());
        signature.copy_from_slice(&identity.sign(&state.signed_by_client()));
        let auth = state.write(&*proof, HandshakeError::BadHello)?;
        let (sending, receiving) = state.split();
        let outcome = Outcome {
            peer: server,
            sending,
            receiving,
        };
        Ok((ClientAuth { outcome }, auth))
    }
}

impl ClientAuth {
    /// Takes the server's consent.
    ///
    /// # Errors
    ///
    /// [`BadAccept`](HandshakeError::BadAccept): send nothing more.
    pub fn receive_accept(self, accept: &[u8; ACCEPT]) -> Result<Outcome, HandshakeError> {
        let mut outcome = self.outcome;
        match outcome.receiving.open(accept, &mut []) {
            true => Ok(outcome),
            false => Err(HandshakeError::BadAccept),
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
