//! The layer, and the handshakes over a connection.

use std::{fmt, future::poll_fn, io, pin::Pin, sync::Arc, task::Poll};

use rustls::CommonState;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tower_layer::Layer;
use tower_multiserver_core::{
    AllowAll, Authorize, ClaimedKey, Connection, Error, HalfClose, Identity, Io, Peer, PeerId,
    PublicKey, RemoteKey, Role, Section, Transform, Transformed, turn,
};

use crate::{
    Args, MtlsIo, Provider, Reason,
    config::{Credentials, no_name},
    error::{explained, failed},
    io::Below,
    verifier::verify,
};

/// Layer that lays mutual TLS 1.3 over the connections of a stack: the section `mtls:PEERID`.
///
/// Who dials meets the key of the section and nobody else. Who accepts meets the [`ClaimedKey`] where a layer below has
/// recorded one, such as `knock`; else anybody who proves a key. Of these it lets in whom `A` does.
///
/// To a connection it adds the facts [`RemoteKey`], [`HalfClose`], and for a server what `A` granted.
#[derive(Clone)]
pub struct MtlsLayer<A = AllowAll> {
    identity: Identity,
    credentials: Arc<Credentials>,
    authorize: A,
}

/// The service that [`MtlsLayer`] makes of the service below it.
pub type Mtls<S, A = AllowAll> = Transformed<S, MtlsLayer<A>>;

impl MtlsLayer {
    /// As the holder of `identity`, with the cryptography of [`Provider::RING`], open to everybody.
    pub fn new(identity: Identity) -> Self {
        let credentials = Arc::new(Credentials::new(&identity, Provider::RING));
        Self {
            identity,
            credentials,
            authorize: AllowAll,
        }
    }
}

impl<A> MtlsLayer<A> {
    /// Sets whose cryptography is used.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.credentials = Arc::new(Credentials::new(&self.identity, provider));
        self
    }

    /// Lets only those clients in that `authorize` grants something.
    ///
    /// It is asked when the client has proved its key. By then the client has finished its handshake, and takes itself
    /// for connected. One that is refused sees no more than a close without `close_notify`, so its first read fails, as
    /// [`Gone`](Reason::Gone). It is told nothing before the answer. An error or a panic refuses. Our own key is no
    /// exception ([`Peer::is_own`]).
    #[must_use]
    pub fn authorize<B: Authorize>(self, authorize: B) -> MtlsLayer<B> {
        MtlsLayer {
            identity: self.identity,
            credentials: self.credentials,
            authorize,
        }
    }
}

impl<S, A: Clone> Layer<S> for MtlsLayer<A> {
    type Service = Mtls<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl<A: Authorize> Transform for MtlsLayer<A> {
    type Args = Args;
    type Io<I: Io> = MtlsIo<I>;

    fn name(&self) -> &str {
        "mtls"
    }

    fn section(&self) -> Section {
        section(self.identity.public_key())
    }

    async fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        role: Role<Args>,
    ) -> Result<Connection<MtlsIo<I>>, Error> {
        let claimed = connection.info().get().map(|ClaimedKey(key)| *key);
        match role {
            Role::Dial(id) => self.dial(connection, id.public_key(), claimed).await,
            Role::Accept => self.accept(connection, claimed).await,
        }
    }
}

impl<A: Authorize> MtlsLayer<A> {
    async fn dial<I: Io>(
        self,
        connection: Connection<I>,
        key: PublicKey,
        claimed: Option<PublicKey>,
    ) -> Result<Connection<MtlsIo<I>>, Error> {
        if key.to_x25519().is_none() {
            return Err(Reason::UnusableKey.into());
        }
        if claimed.is_some_and(|claimed| claimed != key) {
            return Err(Reason::WrongKey.into());
        }
        // Our certificate goes out with the client's last flight, which TLS sends as soon as it has the server's: there is
        // no place to wait in between, so the whole handshake has its turn.
        turn().await;
        let connector = TlsConnector::from(self.credentials.client(key));
        let connect = |io| connector.connect(no_name(), io).into_fallible();
        let (connection, key) = shake_hands(connection, connect, Some(key)).await?;
        Ok(layered(connection, key))
    }

    async fn accept<I: Io>(
        self,
        connection: Connection<I>,
        claimed: Option<PublicKey>,
    ) -> Result<Connection<MtlsIo<I>>, Error> {
        let acceptor = TlsAcceptor::from(self.credentials.server(claimed));
        let accept = |io| acceptor.accept(io).into_fallible();
        let (connection, key) = shake_hands(connection, accept, claimed).await?;
        let peer = Peer {
            key,
            is_own: key == self.identity.public_key(),
            info: connection.info().clone(),
        };
        // A refusal drops the stream: a `close_notify` would look as if we had let the peer in and had nothing to say.
        let grant = peer.ask(&self.authorize).await?;
        Ok(layered(connection, key).with(grant))
    }
}

/// Runs the handshake that `begin` makes of the stream. With the key that the peer has proved.
async fn shake_hands<I: Io, F, T>(
    connection: Connection<I>,
    begin: impl FnOnce(Below<I>) -> F,
    expected: Option<PublicKey>,
) -> Result<(Connection<TlsStream<Below<I>>>, PublicKey), Error>
where
    F: Future<Output = Result<T, (io::Error, Below<I>)>> + Unpin,
    T: Into<TlsStream<Below<I>>>,
{
    let takes_shutdown = connection.info().takes_shutdown();
    // The handshake stands in the place of the stream until it gives it back.
    let mut connection = connection.map(|io| begin(Below::new(io, takes_shutdown)));
    let tls = match connection.get_mut().await {
        Ok(tls) => tls.into(),
        Err((error, below)) => {
            hang_up(below.into_inner()).await;
            return Err(failed(error));
        }
    };
    let key = proven(tls.get_ref().1, expected)?;
    Ok((connection.map(|_| tls), key))
}

/// Lays the stream over the connection.
fn layered<I: Io>(
    connection: Connection<TlsStream<Below<I>>>,
    key: PublicKey,
) -> Connection<MtlsIo<I>> {
    let section = section(key);
    let mut at = connection.info().address().clone();
    at.push(section.clone());
    connection
        .with(RemoteKey(key))
        .with(HalfClose)
        .layered(section, |tls| MtlsIo::new(tls, at))
}

/// The key of the peer, looked at once more when all is done.
fn proven(session: &CommonState, expected: Option<PublicKey>) -> Result<PublicKey, Error> {
    let certificates = session.peer_certificates();
    let (certificate, others) = certificates
        .and_then(<[_]>::split_first)
        .ok_or(Reason::NoCertificate)?;
    verify(certificate, others, expected).map_err(|error| explained(&error))
}

/// Lets the peer learn why, if it listens: the alert is on its way, and what ends in order is not reset.
async fn hang_up(mut io: impl Io) {
    poll_fn(|cx| {
        if Pin::new(&mut io).poll_flush(cx).is_ready() {
            let _ = Pin::new(&mut io).poll_shutdown(cx);
        }
        Poll::Ready(())
    })
    .await;
}

fn section(key: PublicKey) -> Section {
    Section::new("mtls").arg(PeerId::from(key))
}

/// Shows the public key alone.
impl<A> fmt::Debug for MtlsLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MtlsLayer")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
