//! Stacks of different types behind one door.

mod listening;
mod room;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{BoxStream, SelectAll},
};
use tower::{
    ServiceExt as _,
    util::{BoxCloneSyncService, service_fn},
};
use tower_multiserver_core::{
    Accept, Address, Bound, BoxError, Closing, Connection, Error, Io, Listen, Listener,
    MultiAddress, Scope, Shutdown, StackExt as _, trace,
};
use tower_service::Service;

pub use listening::Listening;

use self::room::Room;
use crate::dial::Attempts;

/// Stacks of different types behind one door: the first that understands an address dials it, or listens there.
///
/// Only the stacks that were added are ever dialed, with all of an address's sections and none left over, so that an
/// address can never talk a client out of its encryption.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_multiserver::Error> {
/// use tower::ServiceBuilder;
/// use tower_multiserver::{
///     Identity, MultiServer, RemoteKey, Scope, channel::Channel, net::Net, shs::ShsLayer,
/// };
///
/// let identity = Identity::generate()?;
/// let shs = ShsLayer::new(identity.clone());
/// let multi = MultiServer::new()
///     .stack(ServiceBuilder::new().layer(shs.clone()).service(Net::new()))
///     .stack(ServiceBuilder::new().layer(shs).service(Channel::new()));
///
/// let mut server = multi.listen("net:localhost:0~shs;channel:here~shs").await?;
/// let addresses = server.addresses(Scope::Device).expect("both are on this machine");
///
/// let (dialed, accepted) = tokio::join!(multi.dial(addresses), server.next());
/// let key = dialed?.info().remote_key();
/// assert_eq!(key, Some(identity.public_key()));
/// # accepted.expect("a connection")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MultiServer {
    stacks: Arc<Vec<Stack>>,
    limits: Limits,
}

/// A stack whose types are erased; inside it every call is static.
#[derive(Clone)]
struct Stack {
    dial: BoxCloneSyncService<Address, Connection, Error>,
    listen: BoxCloneSyncService<ToListen, Opened, Error>,
}

struct ToListen {
    address: Address,
    closing: Closing,
    limits: Limits,
    room: Option<Room>,
}

struct Opened {
    addresses: Vec<(Scope, Address)>,
    connections: Connections,
}

#[derive(Clone, Copy, Default)]
struct Limits {
    handshake_timeout: Option<Duration>,
    max_handshakes: Option<usize>,
    max_connections: Option<usize>,
}

type Connections = BoxStream<'static, Result<Connection, Error>>;

impl MultiServer {
    /// A door with no stack behind it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stack.
    #[must_use]
    pub fn stack<S, L, I, J>(mut self, stack: S) -> Self
    where
        S: Service<
                Address,
                Response = Connection<I>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        S: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send + 'static>,
        S: Service<
                Accept<L::Raw>,
                Response = Connection<J>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            >,
        S: Clone + Send + Sync + 'static,
        L: Listener,
        I: Io,
        J: Io,
    {
        let dialer = stack.clone();
        let dial = service_fn(move |address: Address| {
            let dial = dialer.clone().oneshot(address);
            async {
                Ok(dial
                    .await
                    .map_err(|error| Error::from(error.into()))?
                    .boxed())
            }
        });
        let listen = service_fn(move |to: ToListen| {
            let incoming = stack.listen(to.address, to.closing);
            async move {
                let mut incoming = incoming.await?;
                if let Some(timeout) = to.limits.handshake_timeout {
                    incoming = incoming.handshake_timeout(timeout);
                }
                if let Some(max) = to.limits.max_handshakes {
                    incoming = incoming.max_handshakes(max);
                }
                Ok(Opened {
                    addresses: incoming.addresses().to_vec(),
                    connections: incoming
                        .into_stream()
                        .map(move |connection| match &to.room {
                            Some(room) => room.admit(connection?),
                            None => connection.map(Connection::boxed),
                        })
                        .boxed(),
                })
            }
        });
        Arc::make_mut(&mut self.stacks).push(Stack {
            dial: BoxCloneSyncService::new(dial),
            listen: BoxCloneSyncService::new(listen),
        });
        self
    }

    /// Sets the time from accept to authenticated. [`ACCEPT_TIMEOUT`](crate::ACCEPT_TIMEOUT) unless set.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.limits.handshake_timeout = Some(timeout);
        self
    }

    /// Sets how many unfinished handshakes there may be at once on each address.
    #[must_use]
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.limits.max_handshakes = Some(max);
        self
    }

    /// Sets how many connections one [`listen`](Self::listen) may have at once, over all its addresses. There is no limit
    /// unless set.
    ///
    /// One for which there is no room is closed, and told as an error of kind
    /// [`Overloaded`](crate::ErrorKind::Overloaded).
    #[must_use]
    pub fn max_connections(mut self, max: usize) -> Self {
        self.limits.max_connections = Some(max);
        self
    }

    /// Dials the first address that some stack understands, with the first stack that does. Drop the future to give up.
    ///
    /// To try the next one when that fails, or to race them, see [`dial`](crate::dial).
    ///
    /// # Errors
    ///
    /// That of the one dial; when no stack understands any of the addresses, one of kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported) that lists why each was refused, as [`Attempts`].
    pub fn dial<A>(
        &self,
        addresses: A,
    ) -> impl Future<Output = Result<Connection, Error>> + Send + use<A>
    where
        A: TryInto<MultiAddress, Error: Into<Error>>,
    {
        let this = self.clone();
        let addresses = addresses.try_into().map_err(Into::into);
        async move {
            let addresses = addresses?;
            let mut attempts = Attempts::default();
            for address in addresses.iter() {
                let attempt = |stack: &Stack| stack.dial.clone().oneshot(address.clone());
                let dial = async {
                    let dialed = this.first(address, attempt, &mut attempts).await;
                    dialed.unwrap_or_else(|| Err(Error::unsupported("by no stack")))
                };
                match trace::dialing(address, dial).await {
                    Err(error) if error.is_unsupported() => {}
                    result => return result,
                }
            }
            Err(attempts.into_error())
        }
    }

    /// Listens at every one of these addresses, each with the first stack that understands it.
    ///
    /// # Errors
    ///
    /// That of the first address where it fails, which it names. Nothing stays bound then.
    pub async fn listen(
        &self,
        addresses: impl TryInto<MultiAddress, Error: Into<Error>>,
    ) -> Result<Listening, Error> {
        let requested = addresses.try_into().map_err(Into::into)?;
        let (shutdown, closing) = Shutdown::new();
        let mut addresses = Vec::new();
        let mut connections = SelectAll::new();
        let room = self.limits.max_connections.map(Room::new);
        for address in requested.iter() {
            let attempt = |stack: &Stack| {
                stack.listen.clone().oneshot(ToListen {
                    address: address.clone(),
                    closing: closing.clone(),
                    limits: self.limits,
                    room: room.clone(),
                })
            };
            let mut attempts = Attempts::default();
            let opened = match self.first(address, attempt, &mut attempts).await {
                Some(result) => result.map_err(|error| error.at(|| address.clone()))?,
                None => return Err(attempts.into_error()),
            };
            addresses.extend(opened.addresses);
            connections.push(opened.connections);
        }
        Ok(Listening::new(addresses, connections, shutdown))
    }

    /// What the first stack makes of `address` that understands it. To find out is free of side effects.
    async fn first<T, F>(
        &self,
        address: &Address,
        attempt: impl Fn(&Stack) -> F,
        attempts: &mut Attempts,
    ) -> Option<Result<T, Error>>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for stack in self.stacks.iter() {
            match attempt(stack).await {
                Err(error) if error.is_unsupported() => attempts.push(address, error),
                result => return Some(result),
            }
        }
        None
    }
}

/// Dials the first address that some stack understands.
impl Service<MultiAddress> for MultiServer {
    type Response = Connection;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Connection, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, addresses: MultiAddress) -> Self::Future {
        Box::pin(self.dial(addresses))
    }
}

/// Dials one address with the first stack that understands it: what the [policies of a dial](crate::dial) build on.
impl Service<Address> for MultiServer {
    type Response = Connection;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Connection, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        Box::pin(self.dial(address))
    }
}

impl fmt::Debug for MultiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiServer")
            .field("stacks", &self.stacks.len())
            .finish_non_exhaustive()
    }
}
