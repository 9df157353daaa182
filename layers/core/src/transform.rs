//! A protocol laid over a byte stream, and the service that it becomes.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use pin_project::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Accept, Address, Bound, BoxError, Connection, Error, FromSection, Io, Listen, Scope, Section,
    layer_time, trace, within,
};

/// A protocol laid over a byte stream: what the author of a layer writes.
///
/// [`Transformed`] makes of it a service that dials, listens and accepts; the author's `impl Layer` is four lines, see
/// the [crate's example](crate#example).
pub trait Transform: Clone + Send + 'static {
    /// The arguments of its section, such as the key in `shs:KEY`.
    type Args: FromSection + Send + 'static;

    /// The stream that it lays over an `I`.
    type Io<I: Io>: Io;

    /// The name of its section.
    fn name(&self) -> &str;

    /// Shakes hands over `connection`, and wraps it with [`Connection::layered`].
    ///
    /// The connection's deadline is kept for it: the future is dropped when the time is over.
    ///
    /// A dialer that says who it is awaits [`turn`](crate::turn) before the first byte that depends on its identity.
    fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        role: Role<Self::Args>,
    ) -> impl Future<Output = Result<Connection<Self::Io<I>>, Error>> + Send;

    /// How a server names this layer in its addresses: what a peer must write to dial it.
    fn section(&self) -> Section {
        Section::new(self.name())
    }

    /// The section for an address of this scope.
    ///
    /// # Errors
    ///
    /// When a server with this layer must not be opened to that scope.
    fn advertise(&self, _scope: Scope) -> Result<Section, Error> {
        Ok(self.section())
    }
}

/// Which side of a handshake we are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role<A = ()> {
    /// We dialed an address whose section says `A`.
    Dial(A),
    /// They dialed us.
    Accept,
}

/// The service that a [`Transform`]'s layer makes of the service below it.
#[derive(Clone, Debug)]
pub struct Transformed<S, T> {
    inner: S,
    transform: T,
}

impl<S, T> Transformed<S, T> {
    /// Lays `transform` over `inner`.
    pub fn new(inner: S, transform: T) -> Self {
        Self { inner, transform }
    }
}

/// Dial: take our section off the address, let the rest connect, then shake hands.
impl<S, T, I> Service<Address> for Transformed<S, T>
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>>,
    T: Transform,
    I: Io,
{
    type Response = Connection<T::Io<I>>;
    type Error = Error;
    type Future = TransformFuture<S::Future, T, I>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        match address.take(self.transform.name()) {
            Ok((args, rest)) => {
                TransformFuture::new(self.inner.call(rest), &self.transform, Role::Dial(args))
            }
            Err(error) => TransformFuture::failed(error),
        }
    }
}

/// Accept: let the layers below finish the connection, then shake hands.
impl<S, T, I, R> Service<Accept<R>> for Transformed<S, T>
where
    S: Service<Accept<R>, Response = Connection<I>, Error: Into<BoxError>>,
    T: Transform,
    I: Io,
{
    type Response = Connection<T::Io<I>>;
    type Error = Error;
    type Future = TransformFuture<S::Future, T, I>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, accept: Accept<R>) -> Self::Future {
        TransformFuture::new(self.inner.call(accept), &self.transform, Role::Accept)
    }
}

/// Listen: take our section off the address, let the rest bind, then advertise ourselves.
impl<S, T, L> Service<Listen> for Transformed<S, T>
where
    S: Service<Listen, Response = Bound<L>, Error: Into<BoxError>>,
    S::Future: Send + 'static,
    T: Transform,
{
    type Response = Bound<L>;
    type Error = Error;
    // A server is opened once; the box costs nothing that counts.
    type Future = BoxFuture<'static, Result<Bound<L>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let transform = self.transform.clone();
        let taken = address.take::<Section>(transform.name());
        let bound = taken.and_then(|(given, rest)| {
            // `shs`, or `shs:KEY` with our own key.
            match given.args().is_none() || given == transform.section() {
                true => Ok(self.inner.call(Listen(rest))),
                false => Err(Error::unsupported(NotUs(transform.section()))),
            }
        });
        Box::pin(async move {
            let bound = bound?.await.map_err(into_error)?;
            bound.layered(|scope| transform.advertise(scope))
        })
    }
}

/// Somebody else's arguments in an address to listen on.
#[derive(Debug)]
struct NotUs(Section);

impl fmt::Display for NotUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = &self.0;
        write!(f, "to listen it must say `{}` or `{ours}`", ours.name())
    }
}

impl std::error::Error for NotUs {}

/// Response future of [`Transformed`].
#[pin_project]
pub struct TransformFuture<F, T: Transform, I: Io> {
    #[pin]
    state: State<F, T, I>,
}

#[pin_project(project = StateProj)]
enum State<F, T: Transform, I: Io> {
    Failed(Option<Error>),
    Connect {
        #[pin]
        future: F,
        next: Option<(T, Role<T::Args>)>,
        start: Instant,
    },
    // Boxed so that an author may write an `async fn`; once a connection, after the dial.
    Handshake(BoxFuture<'static, Result<Connection<T::Io<I>>, Error>>),
}

impl<F, T: Transform, I: Io> TransformFuture<F, T, I> {
    fn new(future: F, transform: &T, role: Role<T::Args>) -> Self {
        let next = Some((transform.clone(), role));
        Self {
            state: State::Connect {
                future,
                next,
                start: Instant::now(),
            },
        }
    }

    fn failed(error: Error) -> Self {
        Self {
            state: State::Failed(Some(error)),
        }
    }
}

impl<F, T, I, E> Future for TransformFuture<F, T, I>
where
    F: Future<Output = Result<Connection<I>, E>>,
    E: Into<BoxError>,
    T: Transform,
    I: Io,
{
    type Output = Result<Connection<T::Io<I>>, Error>;

    #[expect(
        clippy::expect_used,
        reason = "as every future, it is not polled once it was ready"
    )]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Failed(error) => {
                    return Poll::Ready(Err(error.take().expect("not polled after completion")));
                }
                StateProj::Connect {
                    future,
                    next,
                    start,
                } => {
                    let connection = ready!(future.poll(cx)).map_err(into_error)?;
                    let connection = layer_time::record_transport(connection, *start);
                    let (transform, role) = next.take().expect("not polled after completion");
                    let future = Box::pin(handshake(transform, connection, role));
                    state.set(State::Handshake(future));
                }
                StateProj::Handshake(future) => return future.as_mut().poll(cx),
            }
        }
    }
}

impl<F, T: Transform, I: Io> fmt::Debug for TransformFuture<F, T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransformFuture").finish_non_exhaustive()
    }
}

/// Runs the transform under the connection's deadline; an error says at which address it happened.
async fn handshake<T: Transform, I: Io>(
    transform: T,
    connection: Connection<I>,
    role: Role<T::Args>,
) -> Result<Connection<T::Io<I>>, Error> {
    let mut at = connection.info().address().clone();
    at.push(Section::new(transform.name()));
    let deadline = connection.deadline();
    let (name, start) = (transform.name().to_owned(), Instant::now());
    // Pinned here, since each `async fn` that takes a future by value has room for it twice.
    let upgrade = pin!(transform.upgrade(connection, role));
    let mut connection = trace::shaking_hands(&name, within(deadline, upgrade))
        .await
        .map_err(|error| error.at(|| at))?;
    layer_time::record(&mut connection, &name, start);
    Ok(connection)
}

pub(crate) fn into_error(error: impl Into<BoxError>) -> Error {
    error.into().into()
}
