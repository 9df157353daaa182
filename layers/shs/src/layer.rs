//! The layer, and the handshakes over a connection.

use std::fmt;

use tower_layer::Layer;
use tower_multiserver_core::{
    AllowAll, AppKey, Authorize, Connection, Error, ErrorKind, HalfClose, Identity, Io, Peer,
    RemoteKey, Role, Section, Transform, Transformed, receive_message, sealed::SealedIo,
    send_message, turn,
};

use crate::{
    Args,
    box_stream::{HEADER, Opener, Sealer},
    handshake::{Client, HandshakeError, Outcome, Server},
};

/// Layer that lays Secret Handshake and box stream over the connections of a stack: the section `shs:KEY`.
///
/// To a connection it adds the facts [`RemoteKey`], [`HalfClose`], and for a server what `A` granted.
#[derive(Clone)]
pub struct ShsLayer<A = AllowAll> {
    identity: Identity,
    app_key: AppKey,
    authorize: A,
    greeting: bool,
}

/// The service that [`ShsLayer`] makes of the service below it.
pub type Shs<S, A = AllowAll> = Transformed<S, ShsLayer<A>>;

/// A box stream over `I`: what [`ShsLayer`] makes of a connection.
pub type ShsIo<I> = SealedIo<I, Sealer, Opener>;

impl ShsLayer {
    /// In the main Secure Scuttlebutt network, open to everybody.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            app_key: AppKey::SSB,
            authorize: AllowAll,
            greeting: true,
        }
    }
}

impl<A> ShsLayer<A> {
    /// Sets the network. [`AppKey::SSB`] unless set.
    #[must_use]
    pub fn app_key(mut self, app_key: AppKey) -> Self {
        self.app_key = app_key;
        self
    }

    /// Lets only those clients in that `authorize` grants something.
    ///
    /// It is asked when the client has proved its key and does not know yet that we have understood it. A client that is
    /// refused cannot tell that from a wrong key of the server. An error or a panic refuses. Our own key is no exception
    /// ([`Peer::is_own`]).
    #[must_use]
    pub fn authorize<B: Authorize>(self, authorize: B) -> ShsLayer<B> {
        ShsLayer {
            identity: self.identity,
            app_key: self.app_key,
            authorize,
            greeting: self.greeting,
        }
    }

    /// Whether a client sends an empty frame right after the handshake. It does unless told otherwise.
    ///
    /// A JavaScript server that authorizes asynchronously cuts off a client which stays silent for the five seconds after
    /// its proof. The frame takes 34 bytes, and no application sees it.
    #[must_use]
    pub fn greeting(mut self, greeting: bool) -> Self {
        self.greeting = greeting;
        self
    }
}

impl<S, A: Clone> Layer<S> for ShsLayer<A> {
    type Service = Shs<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl<A: Authorize> Transform for ShsLayer<A> {
    type Args = Args;
    type Io<I: Io> = ShsIo<I>;

    fn name(&self) -> &str {
        "shs"
    }

    fn section(&self) -> Section {
        Section::new("shs").arg(self.identity.public_key())
    }

    async fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        role: Role<Args>,
    ) -> Result<Connection<ShsIo<I>>, Error> {
        match role {
            Role::Dial(args) => self.dial(connection, args).await,
            Role::Accept => self.accept(connection).await,
        }
    }
}

impl<A: Authorize> ShsLayer<A> {
    async fn dial<I: Io>(
        self,
        mut connection: Connection<I>,
        args: Args,
    ) -> Result<Connection<ShsIo<I>>, Error> {
        let identity = match &args.seed {
            Some(seed) => Identity::from_seed(seed),
            None => self.identity,
        };
        let io = &mut connection;
        let (client, hello) = Client::to(args.key, &self.app_key, &identity).map_err(failed)?;
        send_message(io, &hello, || failed(HandshakeError::HelloRefused)).await?;
        let hello = receive_message(io, || failed(HandshakeError::HelloRefused)).await?;
        let (client, auth) = client.receive_hello(&hello).map_err(failed)?;
        // Whoever holds the key learns by it who we are.
        turn().await;
        send_message(io, &auth, || failed(HandshakeError::AuthRefused)).await?;
        let accept = receive_message(io, || failed(HandshakeError::AuthRefused)).await?;
        let outcome = client.receive_accept(&accept).map_err(failed)?;

        let mut connection = layered(connection, outcome);
        if self.greeting {
            connection
                .get_mut()
                .greet(|sealer, out| {
                    let (out, _) = out.split_at_mut(HEADER);
                    out.copy_from_slice(&sealer.seal_nothing());
                    HEADER
                })
                .await;
        }
        Ok(connection)
    }

    async fn accept<I: Io>(
        self,
        mut connection: Connection<I>,
    ) -> Result<Connection<ShsIo<I>>, Error> {
        let io = &mut connection;
        let server = Server::new(&self.app_key, &self.identity).map_err(failed)?;
        let hello = receive_message(io, || failed(HandshakeError::ClientGone)).await?;
        let (server, hello) = server.receive_hello(&hello).map_err(failed)?;
        send_message(io, &hello, || failed(HandshakeError::ClientGone)).await?;
        let auth = receive_message(io, || failed(HandshakeError::ClientGone)).await?;
        let server = server.receive_auth(&auth).map_err(failed)?;

        let peer = Peer {
            key: server.client(),
            is_own: server.client() == self.identity.public_key(),
            info: connection.info().clone(),
        };
        let grant = peer.ask(&self.authorize).await?;
        let (accept, outcome) = server.accept();
        send_message(&mut connection, &accept, || {
            failed(HandshakeError::ClientGone)
        })
        .await?;
        Ok(layered(connection, outcome).with(grant))
    }
}

/// Lays the box stream over the connection.
fn layered<I: Io>(connection: Connection<I>, outcome: Outcome) -> Connection<ShsIo<I>> {
    let takes_shutdown = connection.info().takes_shutdown();
    let key = outcome.peer;
    connection
        .with(RemoteKey(key))
        .with(HalfClose)
        .layered(Section::new("shs").arg(key), |io| {
            let (sealer, opener) = (Sealer::new(outcome.sending), Opener::new(outcome.receiving));
            SealedIo::new(io, sealer, opener, takes_shutdown)
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
impl<A> fmt::Debug for ShsLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShsLayer")
            .field("identity", &self.identity)
            .field("greeting", &self.greeting)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::handshake::{AUTH, HELLO};

    use super::*;

    /// A client may use the box stream before the server has let it in, and some bytes may come together.
    #[tokio::test]
    async fn bytes_behind_a_proof_belong_to_the_stream() {
        let bob = Identity::generate().unwrap();
        for cut in 0..AUTH + HEADER + 5 + HEADER {
            let (mut near, far) = tokio::io::duplex(1000);
            let alice = Identity::generate().unwrap();
            let (client, hello) = Client::new(&AppKey::SSB, &alice, bob.public_key()).unwrap();
            let talk = async {
                near.write_all(&hello).await.unwrap();
                let mut hello = [0; HELLO];
                near.read_exact(&mut hello).await.unwrap();
                let (client, auth) = client.receive_hello(&hello).unwrap();
                let mut sealer = Sealer::new(client.outcome().sending);
                let mut said = auth.to_vec();
                said.extend([0; HEADER + 5]);
                sealer.seal(b"hello", &mut said[AUTH..]);
                said.extend(sealer.goodbye());
                let (first, second) = said.split_at(cut);
                near.write_all(first).await.unwrap();
                tokio::task::yield_now().await;
                near.write_all(second).await.unwrap();
            };
            let listen = async {
                let connection = Connection::new(far, Section::new("pipe"));
                let layer = ShsLayer::new(bob.clone());
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
