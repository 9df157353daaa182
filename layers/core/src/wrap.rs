//! A layer without a section: a byte counter, a throttle, JavaScript's `wrap`.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower_service::Service;

use crate::{
    Accept, Address, BoxError, Connection, Error, Io, Listen, Role, transform::into_error,
};

/// A layer that puts nothing on the wire and nothing into the address, for both roles.
///
/// ```
/// use tower_multiserver_core::{Connection, Io, Role, Wrap, Wrapped};
///
/// /// Records a fact.
/// #[derive(Clone, Debug)]
/// struct Named(&'static str);
///
/// impl<S> tower_layer::Layer<S> for Named {
///     type Service = Wrapped<S, Self>;
///
///     fn layer(&self, inner: S) -> Self::Service {
///         Wrapped::new(inner, self.clone())
///     }
/// }
///
/// impl Wrap for Named {
///     type Io<I: Io> = I;
///
///     fn wrap<I: Io>(&self, connection: Connection<I>, _: Role) -> Connection<I> {
///         connection.with(self.clone())
///     }
/// }
/// ```
pub trait Wrap: Clone + Send + 'static {
    /// The stream that it lays over an `I`.
    type Io<I: Io>: Io;

    /// Wraps the stream, with [`Connection::map`].
    fn wrap<I: Io>(&self, connection: Connection<I>, role: Role) -> Connection<Self::Io<I>>;
}

/// The service that a [`Wrap`]'s layer makes of the service below it. Listening passes it by.
#[derive(Clone, Debug)]
pub struct Wrapped<S, W> {
    inner: S,
    wrap: W,
}

impl<S, W> Wrapped<S, W> {
    /// Lays `wrap` over `inner`.
    pub fn new(inner: S, wrap: W) -> Self {
        Self { inner, wrap }
    }
}

impl<S, W, I> Service<Address> for Wrapped<S, W>
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>>,
    W: Wrap,
    I: Io,
{
    type Response = Connection<W::Io<I>>;
    type Error = Error;
    type Future = WrapFuture<S::Future, W, I>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        WrapFuture::new(self.inner.call(address), &self.wrap, Role::Dial(()))
    }
}

impl<S, W, I, R> Service<Accept<R>> for Wrapped<S, W>
where
    S: Service<Accept<R>, Response = Connection<I>, Error: Into<BoxError>>,
    W: Wrap,
    I: Io,
{
    type Response = Connection<W::Io<I>>;
    type Error = Error;
    type Future = WrapFuture<S::Future, W, I>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, accept: Accept<R>) -> Self::Future {
        WrapFuture::new(self.inner.call(accept), &self.wrap, Role::Accept)
    }
}

impl<S: Service<Listen>, W> Service<Listen> for Wrapped<S, W> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, listen: Listen) -> S::Future {
        self.inner.call(listen)
    }
}

/// Response future of [`Wrapped`].
#[pin_project]
pub struct WrapFuture<F, W, I> {
    #[pin]
    future: F,
    wrap: W,
    role: Role,
    io: PhantomData<fn(I)>,
}

impl<F, W: Clone, I> WrapFuture<F, W, I> {
    fn new(future: F, wrap: &W, role: Role) -> Self {
        Self {
            future,
            wrap: wrap.clone(),
            role,
            io: PhantomData,
        }
    }
}

impl<F, W, I, E> Future for WrapFuture<F, W, I>
where
    F: Future<Output = Result<Connection<I>, E>>,
    E: Into<BoxError>,
    W: Wrap,
    I: Io,
{
    type Output = Result<Connection<W::Io<I>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let connection = ready!(this.future.poll(cx)).map_err(into_error)?;
        Poll::Ready(Ok(this.wrap.wrap(connection, *this.role)))
    }
}

impl<F, W, I> fmt::Debug for WrapFuture<F, W, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapFuture").finish_non_exhaustive()
    }
}
