//! The alternatives of a list, dialed until one is connected.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;
use tower_multiserver_core::{Address, BoxError, Error, MultiAddress, Turns, within};
use tower_service::Service;

use super::{
    Attempts, NotTried,
    choice::{Choice, Queue},
};

/// A dialer of address lists that does more than dial the first one understood: the service that
/// [`FallbackLayer`](super::FallbackLayer) and [`RaceLayer`](super::RaceLayer) make of a dialer of addresses.
///
/// Each attempt is a request of its own to a clone of the dialer below, so that a limit in it counts every attempt.
#[derive(Clone, Debug)]
pub struct Alternatives<D> {
    dialer: D,
    policy: Policy,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) choice: Choice,
    /// How many attempts there may be in all; those that were not understood do not count.
    pub(super) attempts: usize,
    /// How many may be under way at once.
    pub(super) at_once: usize,
    /// The head start of each before the next one.
    pub(super) delay: Duration,
    /// How long one may keep the others waiting for their turn.
    pub(super) patience: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) goes_on: fn(&Error) -> bool,
}

impl<D> Alternatives<D> {
    pub(super) fn new(dialer: D, policy: Policy) -> Self {
        Self { dialer, policy }
    }

    /// Dials these addresses until one is connected. Drop the future to give up: nothing stays behind.
    ///
    /// # Errors
    ///
    /// That of the only attempt. If there were more, one whose source is the list of [`Attempts`], of the kind and with the
    /// place of the one that got furthest: an answer of whoever was reached goes before a way that was closed, and that
    /// before an address that was not understood.
    pub fn dial<A>(
        &self,
        addresses: A,
    ) -> impl Future<Output = Result<D::Response, Error>> + Send + use<D, A>
    where
        D: Service<Address, Error: Into<BoxError>, Response: Send, Future: Send> + Clone + Send,
        A: TryInto<MultiAddress, Error: Into<Error>>,
    {
        let Self { dialer, policy } = self.clone();
        let addresses = addresses.try_into().map_err(Into::into);
        async move { policy.dial(dialer, addresses?).await }
    }
}

impl<D> Service<MultiAddress> for Alternatives<D>
where
    D: Service<Address, Error: Into<BoxError>, Response: Send, Future: Send>,
    D: Clone + Send + 'static,
{
    type Response = D::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<D::Response, Error>>;

    // Each attempt waits for the dialer below by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, addresses: MultiAddress) -> Self::Future {
        Box::pin(self.dial(addresses))
    }
}

impl Policy {
    async fn dial<D>(self, dialer: D, addresses: MultiAddress) -> Result<D::Response, Error>
    where
        D: Service<Address, Error: Into<BoxError>> + Clone,
    {
        let now = Instant::now();
        let deadline = self.timeout.and_then(|timeout| now.checked_add(timeout));
        let mut attempts = Attempts::default();
        let mut queue = Queue::new(addresses, self.choice, &mut attempts);
        let turns = Turns::new(self.patience);
        let turns = &turns;
        let attempt = move |address: Address| {
            let dial = dialer.clone().oneshot(address.clone());
            let dial = async { dial.await.map_err(|error| Error::from(error.into())) };
            async move { (address, within(deadline, turns.of(dial)).await) }
        };
        let mut under_way = FuturesUnordered::new();
        let mut left = self.attempts;
        let why = loop {
            let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if under_way.len() < left.min(self.at_once)
                && !is_late
                && let Some(address) = queue.next()
            {
                under_way.push(attempt(address));
            }
            if under_way.is_empty() {
                break if is_late {
                    NotTried::TooLate
                } else {
                    NotTried::TooMany
                };
            }
            let may_start = under_way.len() < left.min(self.at_once) && queue.has_next();
            tokio::select! {
                Some((address, result)) = under_way.next() => {
                    let error = match result {
                        Ok(connection) => return Ok(connection),
                        Err(error) => error,
                    };
                    if queue.failed(&error, under_way.is_empty()) {
                        left = left.saturating_sub(1);
                    }
                    tracing::debug!(
                        ?address,
                        error = &error as &dyn std::error::Error,
                        "could not be dialed"
                    );
                    let goes_on = error.is_unsupported() || (self.goes_on)(&error);
                    attempts.push(&address, error);
                    if !goes_on {
                        return Err(attempts.into_error());
                    }
                }
                () = sleep(self.delay), if may_start => {}
            }
        };
        queue.close(why, &mut attempts);
        Err(attempts.into_error())
    }
}
