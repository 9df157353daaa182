//! What a stack can do, as methods.

use std::future::Future;

use tower::ServiceExt as _;
use tower_service::Service;

use crate::{
    Accept, Address, Bound, BoxError, Closing, Connection, Error, Incoming, Io, Listen, Listener,
    trace, transform::into_error,
};

/// What a stack can do, as methods. Implemented for every service that fits.
///
/// Both clone the stack, so that a limit in it counts over all its uses.
pub trait StackExt: Clone + Sized {
    /// Dials `address`. Drop the future to give up: no task and no socket stay behind.
    ///
    /// # Errors
    ///
    /// Of kind [`Unsupported`](crate::ErrorKind::Unsupported) before any IO when the stack does not understand the
    /// address, else what the layer that failed says.
    fn dial<I, A>(
        &self,
        address: A,
    ) -> impl Future<Output = Result<Connection<I>, Error>> + Send + use<Self, I, A>
    where
        Self: Service<Address, Response = Connection<I>, Error: Into<BoxError>> + Send,
        Self::Future: Send,
        A: TryInto<Address, Error: Into<Error>>,
        I: Io,
    {
        let address = address.try_into().map_err(Into::into);
        let stack = self.clone();
        async {
            let address = address?;
            let dial = stack.oneshot(address.clone());
            trace::dialing(&address, async { dial.await.map_err(into_error) }).await
        }
    }

    /// Opens a server at `address` that accepts until `closing`.
    ///
    /// # Errors
    ///
    /// Of kind [`Unsupported`](crate::ErrorKind::Unsupported) when the stack does not understand the address, else why
    /// it could not be bound.
    fn listen<L, I, A>(
        &self,
        address: A,
        closing: Closing,
    ) -> impl Future<Output = Result<Incoming<Self, L, I>, Error>> + Send + use<Self, L, I, A>
    where
        Self: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send>,
        Self:
            Service<Accept<L::Raw>, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
        Self: Send + 'static,
        A: TryInto<Address, Error: Into<Error>>,
        L: Listener,
        I: Io,
    {
        let stack = self.clone();
        let address = address.try_into().map_err(Into::into);
        let bind = address.map(|address| self.clone().oneshot(Listen(address)));
        async {
            let bound = bind?.await.map_err(into_error)?;
            Ok(Incoming::new(bound, stack, closing))
        }
    }
}

impl<S: Clone> StackExt for S {}
