//! What both sides do alike.

use snow::{Builder, HandshakeState, resolvers::CryptoResolver};
use tower_multiserver_core::{AppKey, PublicKey, UsableKey};
use zeroize::Zeroizing;

use crate::{crypto::Secret, transport::TransportKey};

use super::{HandshakeError, PROLOGUE, PROTOCOL, SIGNED};

/// A handshake under way. It lives in a box, so that going from step to step leaves no copies behind.
pub(super) struct State(Box<HandshakeState>);

impl State {
    /// That of a client of `server`.
    pub(super) fn client(
        resolver: impl CryptoResolver + Send + 'static,
        app_key: &AppKey,
        secret: &Secret,
        server: &UsableKey,
    ) -> Self {
        let prologue = prologue(server.public_key());
        let state = builder(resolver, app_key, secret, &prologue)
            .and_then(|builder| builder.remote_public_key(server.x25519()))
            .and_then(Builder::build_initiator);
        Self::of(state)
    }

    /// That of the server with this key.
    pub(super) fn server(
        resolver: impl CryptoResolver + Send + 'static,
        app_key: &AppKey,
        secret: &Secret,
        key: PublicKey,
    ) -> Self {
        let prologue = prologue(key);
        let state =
            builder(resolver, app_key, secret, &prologue).and_then(Builder::build_responder);
        Self::of(state)
    }

    #[expect(clippy::expect_used, reason = "nothing of it depends on the peer")]
    fn of(built: Result<HandshakeState, snow::Error>) -> Self {
        let state = built.expect("all that the pattern needs is there");
        Self(Box::new(state))
    }

    /// Makes the next message, which takes `N` bytes. `error` is what to say where that cannot be.
    pub(super) fn write<const N: usize>(
        &mut self,
        payload: &[u8],
        error: HandshakeError,
    ) -> Result<[u8; N], HandshakeError> {
        let mut message = [0; N];
        match self.0.write_message(payload, &mut message) {
            Ok(length) => {
                debug_assert_eq!(length, N, "the length of a message is fixed");
                Ok(message)
            }
            Err(snow::Error::Rng) => Err(HandshakeError::NoRandomness),
            Err(_) => Err(error),
        }
    }

    /// Takes the next message, whose payload has `N` bytes. `error` is what to say where it is wrong.
    pub(super) fn read<const N: usize>(
        &mut self,
        message: &[u8],
        error: HandshakeError,
    ) -> Result<Zeroizing<[u8; N]>, HandshakeError> {
        let mut payload = Zeroizing::new([0; N]);
        match self.0.read_message(message, &mut *payload) {
            Ok(length) if length == N => Ok(payload),
            _ => Err(error),
        }
    }

    /// What the client signs, when both hellos are known and nothing more: no other protocol's text.
    pub(super) fn signed_by_client(&self) -> [u8; 64] {
        let mut text = [0; 64];
        text[..32].copy_from_slice(SIGNED);
        text[32..].copy_from_slice(self.0.get_handshake_hash());
        text
    }

    /// The X25519 key that the peer has proved to hold.
    pub(super) fn peer(&self) -> Option<&[u8]> {
        self.0.get_remote_static()
    }

    /// The keys of what the client sends, and of what the server sends.
    pub(super) fn split(mut self) -> (TransportKey, TransportKey) {
        let (client, server) = self.0.dangerously_get_raw_split();
        let [client, server] = [client, server].map(Zeroizing::new);
        (TransportKey::new(&client), TransportKey::new(&server))
    }
}

/// Wipes the app key, which snow does not.
impl Drop for State {
    fn drop(&mut self) {
        let wiped = self.0.set_psk(0, &[0; 32]);
        debug_assert!(wiped.is_ok(), "there is such a place");
        // Else it could be left out, since nobody reads it any more.
        std::hint::black_box(&mut self.0);
    }
}

fn builder<'a>(
    resolver: impl CryptoResolver + Send + 'static,
    app_key: &'a AppKey,
    secret: &'a Secret,
    prologue: &'a [u8],
) -> Result<Builder<'a>, snow::Error> {
    let protocol = PROTOCOL.parse()?;
    Builder::with_resolver(protocol, Box::new(resolver))
        .local_private_key(&**secret)?
        .psk(0, app_key.as_bytes())?
        .prologue(prologue)
}

/// The exact key that is dialed. Its X25519 form alone would be that of its negative too.
fn prologue(server: PublicKey) -> [u8; 57] {
    let mut prologue = [0; 57];
    prologue[..25].copy_from_slice(PROLOGUE);
    prologue[25..].copy_from_slice(server.as_bytes());
    prologue
}
