//! The transport: whose turn it is with which pipe.

use std::{
    fmt,
    future::{Ready, ready},
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc},
    time::Instant,
};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, ErrorKind, HalfClose, Listen,
    Listener, Scope, Section, within,
};
use tower_service::Service;

use super::{RnChannelIo, pipe::Pipe};

/// The transport over pipes of messages, for both ends.
///
/// Each pipe is one connection, and goes to whoever takes it first: to one dial or, as long as it is open, to the
/// listener. Clones share their pipes.
///
/// A dial waits for a pipe as long as its deadline allows. Nothing goes over the pipe at that, so whether there is
/// anybody at its other end shows when bytes are exchanged.
pub struct RnChannel<P> {
    pipes: Arc<Pipes<P>>,
    scope: Scope,
    dial_timeout: Duration,
}

/// A bound [`RnChannel`]. It ends when all pipes were accepted and there can be no more.
pub struct RnChannelListener<P>(OwnedMutexGuard<mpsc::Receiver<P>>);

type Pipes<P> = Mutex<mpsc::Receiver<P>>;

/// How many pipes wait for a dial or a listener before the sender does, as many as an in-process channel's.
const BACKLOG: usize = 128;

impl<P> RnChannel<P> {
    /// A transport with one pipe, so for one connection.
    pub fn new(pipe: P) -> Self {
        let (sender, this) = Self::pipes();
        // There is room in a new queue whose receiver exists.
        let _ = sender.try_send(pipe);
        this
    }

    /// A transport without pipes, and where to send them. At most 128 wait there.
    pub fn pipes() -> (mpsc::Sender<P>, Self) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let this = Self {
            pipes: Arc::new(Mutex::new(receiver)),
            scope: Scope::Device,
            dial_timeout: DIAL_TIMEOUT,
        };
        (sender, this)
    }

    /// Says where the other ends of the pipes are. [`Scope::Device`] unless said, as the JavaScript implementation has it:
    /// a pipe that others than this machine's own programs can write to must not be called so, since `noauth` believes
    /// it.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }
}

impl<P: Pipe> Service<Address> for RnChannel<P> {
    type Response = Connection<RnChannelIo<P>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let (pipes, scope) = (self.pipes.clone(), self.scope);
        let to = address.clone().finish::<()>("channel");
        Box::pin(async move {
            to?;
            let pipe = async {
                let pipe = pipes.lock().await.recv().await;
                pipe.ok_or_else(|| Error::new(ErrorKind::Unavailable, "there are no more pipes"))
            };
            let pipe = within(deadline, pipe).await;
            let pipe = pipe.map_err(|error| error.at(|| address))?;
            Ok(connection(pipe, scope, deadline))
        })
    }
}

impl<P: Pipe> Service<Listen> for RnChannel<P> {
    type Response = Bound<RnChannelListener<P>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = address.clone().finish::<()>("channel");
        ready(at.and_then(|()| {
            let pipes = self.pipes.clone().try_lock_owned();
            let in_use = |_| Error::from(io::Error::from(io::ErrorKind::AddrInUse));
            let pipes = pipes.map_err(|error| in_use(error).at(|| address))?;
            let listener = RnChannelListener(pipes);
            Ok(Bound::new(listener, [(self.scope, section())]))
        }))
    }
}

impl<P: Pipe> Service<Accept<P>> for RnChannel<P> {
    type Response = Connection<RnChannelIo<P>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<P>) -> Self::Future {
        ready(Ok(connection(raw, self.scope, deadline)))
    }
}

impl<P: Pipe> Listener for RnChannelListener<P> {
    type Raw = P;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<P>>> {
        self.0.poll_recv(cx).map(|pipe| pipe.map(Ok))
    }
}

fn connection<P: Pipe>(
    pipe: P,
    scope: Scope,
    deadline: Option<Instant>,
) -> Connection<RnChannelIo<P>> {
    Connection::new(RnChannelIo::new(pipe), section())
        .with(scope)
        .with(HalfClose)
        .with_deadline(deadline)
}

fn section() -> Section {
    Section::new("channel")
}

impl<P> Clone for RnChannel<P> {
    fn clone(&self) -> Self {
        Self {
            pipes: self.pipes.clone(),
            ..*self
        }
    }
}

impl<P> fmt::Debug for RnChannel<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RnChannel")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for RnChannelListener<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RnChannelListener").finish_non_exhaustive()
    }
}
