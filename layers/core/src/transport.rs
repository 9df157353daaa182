//! The bottom of a stack, made of any tower `MakeConnection`.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::make::MakeConnection;
use tower_service::Service;

use crate::{
    Accept, Address, Bound, BoxError, BoxIo, Connection, DIAL_TIMEOUT, DialOnly, Error,
    FromSection, HalfClose, Io, Listen, Scope, transform::into_error, within,
};

/// Makes the bottom of a stack, for dialing, out of any tower [`MakeConnection`].
///
/// What it connects to counts as [`Scope::Public`] unless told otherwise, since nothing is known of it.
///
/// ```
/// use tower_multiserver_core::{Error, FromSection, Section, Transport};
///
/// struct Path(String);
///
/// impl FromSection for Path {
///     fn from_section(section: &Section) -> Result<Self, Error> {
///         Ok(Self(section.args().unwrap_or_default().to_owned()))
///     }
/// }
///
/// let pipe = tower::service_fn(async |Path(path)| tokio::fs::File::open(path).await);
/// let transport = Transport::<_, Path>::new("pipe", pipe);
/// # let _ = transport;
/// ```
pub struct Transport<M, A> {
    name: &'static str,
    make: M,
    scope: Scope,
    half_close: bool,
    dial_timeout: Duration,
    args: PhantomData<fn() -> A>,
}

impl<M, A> Transport<M, A> {
    /// Dials the section called `name` with `make`, whose target is the section's arguments.
    pub fn new(name: &'static str, make: M) -> Self {
        Self {
            name,
            make,
            scope: Scope::Public,
            half_close: false,
            dial_timeout: DIAL_TIMEOUT,
            args: PhantomData,
        }
    }

    /// Says where its peers are.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Says that a stream's `poll_shutdown` ends one direction only.
    #[must_use]
    pub fn half_close(mut self) -> Self {
        self.half_close = true;
        self
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }
}

impl<M: Clone, A> Clone for Transport<M, A> {
    fn clone(&self) -> Self {
        Self {
            make: self.make.clone(),
            ..*self
        }
    }
}

impl<M, A> fmt::Debug for Transport<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<M, A> Service<Address> for Transport<M, A>
where
    M: MakeConnection<A, Connection: Io, Error: Into<BoxError>, Future: Send + 'static>,
    A: FromSection,
{
    type Response = Connection<M::Connection>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.make.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let (scope, half_close) = (self.scope, self.half_close);
        let at = address.clone();
        let section = address.transport().redacted();
        let connect = address
            .finish::<A>(self.name)
            .map(|args| self.make.make_connection(args));
        Box::pin(async move {
            let connect = async { connect?.await.map_err(into_error) };
            let io = within(deadline, connect).await;
            let io = io.map_err(|error| match error.is_unsupported() {
                true => error,
                false => error.at(|| at),
            })?;
            let connection = Connection::new(io, section)
                .with(scope)
                .with_deadline(deadline);
            Ok(match half_close {
                true => connection.with(HalfClose),
                false => connection,
            })
        })
    }
}

/// It cannot listen, and says so.
impl<M, A> Service<Listen> for Transport<M, A> {
    type Response = Bound<DialOnly>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Listen) -> Self::Future {
        let reason = format!("`{}` can only be dialed", self.name);
        ready(Err(Error::unsupported(reason)))
    }
}

impl<M, A> Service<Accept<Infallible>> for Transport<M, A> {
    type Response = Connection<BoxIo>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<Infallible>) -> Self::Future {
        match accept.raw {}
    }
}
