//! The layer, and the handshakes over a connection.

use std::fmt;

use tower_layer::Layer;
use tower_multiserver_core::{
    AllowAll, AppKey, Authorize, Connection, Error, ErrorKind, HalfClose, Identity, Io, Peer,
    RemoteKey, Role, Section, Transform, Transformed, receive_message, sealed::SealedIo,
    send_message, turn, x25519,
};

use crate::{
    Args,
    handshake::{Client, HandshakeError, Outcome, Server},
    resolver::Resolver,
    transport::{Opener, PlacedOpener, Sealer},
};

/// Layer that lays the Noise protocol over the connections of a stack: the section `noise:KEY`.
///
/// To a connection it adds the facts [`RemoteKey`], [`HalfClose`], and for a server what `A` granted.
#[derive(Clone)]
pub struct NoiseLayer<A = AllowAll> {
    identity: Identity,
    /// The X25519 key that belongs to it.
    x25519: [u8; 32],
    app_key: AppKey,
    authorize: A,
}

/// The service that [`NoiseLayer`] makes of the service below it.
pub type Noise<S, A = AllowAll> = Transformed<S, NoiseLayer<A>>;

/// The stream over `I` that [`NoiseLayer`] makes of a connection.
pub type NoiseIo<I> = SealedIo<I, Sealer, PlacedOpener>;

impl NoiseLayer {
    /// In the main Secure Scuttlebutt network, open to everybody.
    pub fn new(identity: Identity) -> Self {
        Self {
            x25519: x25519::public_key(&identity.x25519_secret()),
            identity,
            app_key: AppKey::SSB,
            authorize: AllowAll,
        }
    }
}

impl<A> NoiseLayer<A> {
    /// Sets the network. [`AppKey::SSB`] unless set.
    #[must_use]
    pub fn app_key(mut self, app_key: AppKey) -> Self {
        self.app_key = app_key;
        self
    }

    /// Lets only those clients in that `authorize` grants something.
    ///
    /// It is asked when the client has proved its key and does not know yet that we have understood it. A client that is
    /// refused sees no more than a close. An error or a panic refuses. Our own key is no exception ([`Peer::is_own`]).
    #[must_use]
    pub fn authorize<B: Authorize>(self, authorize: B) -> NoiseLayer<B> {
        NoiseLayer {
            identity: self.identity,
            x25519: self.x25519,
            app_key: self.app_key,
            authorize,
        }
    }
}

impl<S, A: Clone> Layer<S> for NoiseLayer<A> {
    type Service = Noise<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl<A: Authorize> Transform for NoiseLayer<A> {
    type Args = Args;
    type Io<I: Io> = NoiseIo<I>;

    fn name(&self) -> &str {
        "noise"
    }

    fn section(&self) -> Section {
        Section::new("noise").arg(self.identity.public_key())
    }

    async fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        role: Role<Args>,
    ) -> Result<Connection<NoiseIo<I>>, Error> {
        match role {
            Role::Dial(args) => self.dial(connection, args).await,
            Role::Accept => self.accept(connection).await,
        }
    }
}

impl<A: Authorize> NoiseLayer<A> {
    async fn dial<I: Io>(
        self,
        mut connection: Connection<I>,
        args: Args,
    ) -> Result<Connection<NoiseIo<I>>, Error> {
        let (identity, x25519) = match &args.seed {
            Some(seed) => (Identity::from_seed(seed), None),
            None => (self.identity, Some(self.x25519)),
        };
        let io = &mut connection;
        let refused = || failed(HandshakeError::HelloRefused);
        let (client, hello) =
            Client::with_resolver(Resolver::of(x25519), &self.app_key, &identity, args.key)
                .map_err(failed)?;
        send_message(io, &hello, refused).await?;
        let hello = receive_message(io, refused).await?;
        let (client, auth) = client.receive_hello(&hello).map_err(failed)?;
        let refused = || failed(HandshakeError::AuthRefused);
        // Whoever holds the key learns by it who we are.
        turn().await;
        send_message(io, &auth, refused).await?;
        let accept = receive_message(io, refused).await?;
        let outcome = client.receive_accept(&accept).map_err(failed)?;
        Ok(layered(connection, outcome))
    }

    async fn accept<I: Io>(
        self,
        mut connection: Connection<I>,
    ) -> Result<Connection<NoiseIo<I>>, Error> {
        let io = &mut connection;
        let gone = || failed(HandshakeError::ClientGone);
        let hello = receive_message(io, gone).await?;
        let server = Server::with_resolver(
            Resolver::of(Some(self.x25519)),
            &self.app_key,
            &self.identity,
        );
        let (server, hello) = server.receive_hello(&hello).map_err(failed)?;
        send_message(io, &hello, gone).await?;
        let auth = receive_message(io, gone).await?;
        let server = server.receive_auth(&auth).map_err(failed)?;

        let peer = Peer {
            key: server.client(),
            is_own: server.client() == self.identity.public_key(),
            info: connection.info().clone(),
        };
        let grant = peer.ask(&self.authorize).await?;
        let (accept, outcome) = server.accept();
        send_message(&mut connection, &accept, gone).await?;
        Ok(layered(connection, outcome).with(grant))
    }
}

/// Lays the stream over the connection.
fn layered<I: Io>(connection: Connection<I>, outcome: Outcome) -> Connection<NoiseIo<I>> {
    let takes_shutdown = connection.info().takes_shutdown();
    let section = Section::new("noise").arg(outcome.peer);
    let mut at = connection.info().address().clone();
    at.push(section.clone());
    connection
        .with(RemoteKey(outcome.peer))
        .with(HalfClose)
        .layered(section, |io| {
            let opener = PlacedOpener::new(Opener::new(outcome.receiving), at);
            SealedIo::new(io, Sealer::new(outcome.sending), opener, takes_shutdown)
        })
}

fn failed(error: HandshakeError) -> Error {
    let kind = match error {
        HandshakeError::BadServerKey => ErrorKind::Unsupported,
        HandshakeError::NoRandomness => ErrorKind::Other,
        _ => ErrorKind::Handshake,
    };
    Error::new(kind, error)
}

/// Shows the public key alone.
impl<A> fmt::Debug for NoiseLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoiseLayer")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tower_multiserver_core::AppKey;

    use crate::{
        handshake::{AUTH, HELLO},
        transport::OVERHEAD,
    };

    use super::*;

    /// A client may speak before the server has let it in, and some bytes may come together.
    #[tokio::test]
    async fn bytes_behind_a_proof_belong_to_the_stream() {
        let bob = Identity::generate().unwrap();
        for cut in 0..AUTH + OVERHEAD + 5 + OVERHEAD {
            let (mut near, far) = tokio::io::duplex(1000);
            let alice = Identity::generate().unwrap();
            let (client, hello) = Client::new(&AppKey::SSB, &alice, bob.public_key()).unwrap();
            let talk = async {
                near.write_all(&hello).await.unwrap();
                let mut hello = [0; HELLO];
                near.read_exact(&mut hello).await.unwrap();
                let (client, auth) = client.receive_hello(&hello).unwrap();
                let mut sealer = Sealer::new(client.outcome.sending);
                let mut said = auth.to_vec();
                said.extend([0; OVERHEAD + 5]);
                sealer.seal(b"hello", &mut said[AUTH..]);
                said.extend(sealer.goodbye());
                let (first, second) = said.split_at(cut);
                near.write_all(first).await.unwrap();
                tokio::task::yield_now().await;
                near.write_all(second).await.unwrap();
            };
            let listen = async {
                let connection = Connection::new(far, Section::new("pipe"));
                let layer = NoiseLayer::new(bob.clone());
                let mut heard = Vec::new();
                let mut accepted = layer.upgrade(connection, Role::Accept).await.unwrap();
                accepted.read_to_end(&mut heard).await.unwrap();
                heard
            };
            let ((), heard) = tokio::join!(talk, listen);
            assert_eq!(heard, b"hello", "cut at {cut}");
        }
    }
}
