//! The layer, and the knock over a connection.

use std::fmt;

use tower_layer::Layer;
use tower_multiserver_core::{
    AllowAll, Authorize, ClaimedKey, Connection, Error, ErrorKind, Identity, Io, Peer, PeerId,
    Role, Section, Transform, Transformed, receive_message, send_message, turn,
};

use crate::{KnockError, message};

/// Layer that knocks before the first byte of a stack's connections: the section `knock:PEERID`.
///
/// It leaves the stream as it is. To an accepted connection it adds the fact [`ClaimedKey`], which a layer above must have
/// proved; and to all connections what `A` granted.
#[derive(Clone)]
pub struct KnockLayer<A = AllowAll> {
    identity: Identity,
    authorize: A,
}

/// The service that [`KnockLayer`] makes of the service below it.
pub type Knock<S, A = AllowAll> = Transformed<S, KnockLayer<A>>;

impl KnockLayer {
    /// Open to everybody who has a key.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            authorize: AllowAll,
        }
    }
}

impl<A> KnockLayer<A> {
    /// Lets only those connections go on for which `authorize` grants something. It is asked in both roles.
    ///
    /// When we accept: once the knock is checked, about the key that it claims. Nobody has proved it to be his, so the
    /// grant must be worth nothing before a layer above has. A peer that is refused sees no more than a close.
    ///
    /// When we dial: once the knock is sent, about the key that was dialed, which may be wanted no longer by then.
    ///
    /// An error or a panic refuses. It is never asked about our own key: neither role gets so far.
    #[must_use]
    pub fn authorize<B: Authorize>(self, authorize: B) -> KnockLayer<B> {
        KnockLayer {
            identity: self.identity,
            authorize,
        }
    }
}

impl<S, A: Clone> Layer<S> for KnockLayer<A> {
    type Service = Knock<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl<A: Authorize> Transform for KnockLayer<A> {
    type Args = PeerId;
    type Io<I: Io> = I;

    fn name(&self) -> &str {
        "knock"
    }

    fn section(&self) -> Section {
        section(self.identity.public_key().into())
    }

    async fn upgrade<I: Io>(
        self,
        mut connection: Connection<I>,
        role: Role<PeerId>,
    ) -> Result<Connection<I>, Error> {
        let (peer, connection) = match role {
            Role::Dial(peer) => {
                self.knock(&mut connection, peer).await?;
                (peer, connection)
            }
            Role::Accept => {
                let peer = self.answer(&mut connection).await?;
                (peer, connection.with(ClaimedKey(peer.public_key())))
            }
        };
        let asked = Peer {
            key: peer.public_key(),
            is_own: false,
            info: connection.info().clone(),
        };
        let grant = asked.ask(&self.authorize).await?;
        Ok(connection.with(grant).layered(section(peer), |io| io))
    }
}

impl<A> KnockLayer<A> {
    async fn knock<I: Io>(&self, io: &mut Connection<I>, peer: PeerId) -> Result<(), Error> {
        let knock = message::write(&self.identity, peer).map_err(failed)?;
        // Whoever listens on the way, or answers, learns by it who we are.
        turn().await;
        // All of it in one write: the acceptor in Go reads once, and what is missing then is missing for good.
        send_message(io, &knock, || failed(KnockError::HungUp)).await
    }

    /// Nothing is said to anybody.
    async fn answer<I: Io>(&self, io: &mut Connection<I>) -> Result<PeerId, Error> {
        // Not a byte more than the knock, since the next layer's first message may come with it.
        let knock = receive_message(io, || failed(KnockError::HungUp)).await?;
        // The signature before the hook, so that nobody can tell by the time whom we expect.
        message::check(&knock, self.identity.public_key().into()).map_err(failed)
    }
}

fn section(peer: PeerId) -> Section {
    Section::new("knock").arg(peer)
}

fn failed(error: KnockError) -> Error {
    Error::new(ErrorKind::Handshake, error)
}

/// Shows the public key alone.
impl<A> fmt::Debug for KnockLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnockLayer")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
