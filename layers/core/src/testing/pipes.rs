//! A transport for the tests of a layer.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{io::DuplexStream, time::Instant};
use tower_service::Service;

use crate::{Accept, Address, Connection, Error, ErrorKind, Io, Section};

/// A connection of the transport `pipe`.
pub fn pipe<I>(io: I) -> Connection<I> {
    Connection::new(io, Section::new("pipe"))
}

/// The transport `pipe`: it dials the streams that it was given, and accepts any.
#[derive(Debug)]
pub struct Pipes<I = DuplexStream> {
    state: Arc<Mutex<State<I>>>,
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct State<I> {
    to_dial: VecDeque<I>,
    dials: usize,
}

impl<I> Pipes<I> {
    /// Without a stream to dial.
    pub fn new() -> Self {
        let (to_dial, dials) = (VecDeque::new(), 0);
        Self {
            state: Arc::new(Mutex::new(State { to_dial, dials })),
            deadline: None,
        }
    }

    /// Sets the deadline of what is dialed.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Adds a stream, which the next dial that has no other gets.
    #[must_use]
    pub fn to_dial(self, io: I) -> Self {
        self.state().to_dial.push_back(io);
        self
    }

    /// How often it was dialed.
    pub fn dials(&self) -> usize {
        self.state().dials
    }

    fn state(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Default for Pipes<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I> Clone for Pipes<I> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            deadline: self.deadline,
        }
    }
}

impl<I: Io> Service<Address> for Pipes<I> {
    type Response = Connection<I>;
    type Error = Error;
    type Future = Ready<Result<Connection<I>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let mut state = self.state();
        state.dials += 1;
        let io = state.to_dial.pop_front();
        ready(address.finish::<()>("pipe").and_then(|()| {
            let io = io.ok_or_else(|| Error::new(ErrorKind::Io, "no stream to dial"))?;
            Ok(pipe(io).with_deadline(self.deadline))
        }))
    }
}

impl<I: Io> Service<Accept<I>> for Pipes<I> {
    type Response = Connection<I>;
    type Error = Error;
    type Future = Ready<Result<Connection<I>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<I>) -> Self::Future {
        ready(Ok(pipe(accept.raw).with_deadline(accept.deadline)))
    }
}
