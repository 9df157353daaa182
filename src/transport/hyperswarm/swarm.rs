//! `hyperswarm:TOPIC`: peers that find each other.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::discover::Change;
use tower_multiserver_core::{
    Accept, Address, BoxError, Connection, Error, Io, Listen, PublicKey, within,
};
use tower_service::Service;

use super::{
    HyperNode, Topic,
    failures::not_found,
    found::{at, dial},
    inner::Inner,
    manager::{MAX_PARALLEL, Manager},
    swarm_io::SwarmIo,
};

/// The rendezvous `hyperswarm:TOPIC` over a stack that dials `hyperdht:KEY`.
///
/// Each found peer is dialed as `hyperdht:KEY` with the rest of the address, where an `shs` or `noise` without a key is
/// filled with that of the peer: `hyperswarm:TOPIC~shs` becomes `hyperdht:KEY~shs:KEY`. Dialing such an address as a whole
/// yields the first peer that is reached; [`join`](Self::join) yields all of them. All other requests go to the stack, so
/// this is a dialer of `hyperdht:` and a server too.
#[derive(Clone, Debug)]
pub struct HyperSwarm<S> {
    node: HyperNode,
    stack: S,
    dial_timeout: Duration,
}

/// A joined topic: a stream of the peers that we reach on it, which is a [`Discover`](tower::discover::Discover).
///
/// A peer is removed when its connection is dropped, and dialed again after a while: after a second or so if the connection
/// lasted, else ever later. Peers that reach us come from the
/// listener of the node, which alone is announced: without one a node finds others and is not found. While a topic is joined
/// the node keeps one connection a key, in both directions.
///
/// Dropping it leaves the topic in the background.
pub struct Swarm<I> {
    node: Arc<Inner>,
    topic: Topic,
    found: mpsc::Receiver<Change<PublicKey, Connection<SwarmIo<I>>>>,
    leaving: Option<oneshot::Sender<()>>,
}

/// How long the search for a first peer may take.
const FIND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait before a topic without anybody is looked up again.
const PAUSE: Duration = Duration::from_secs(1);

impl<S> HyperSwarm<S> {
    /// The rendezvous of a node, over a stack with the same node at its bottom.
    pub fn new(node: HyperNode, stack: S) -> Self {
        Self {
            node,
            stack,
            dial_timeout: FIND_TIMEOUT,
        }
    }

    /// Sets how long dialing a topic may take until a peer is reached. 30 seconds unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Joins a topic, given as `hyperswarm:TOPIC` or `dht:CHANNEL` and the rest of the peers' addresses. It is announced as
    /// long as the node listens.
    ///
    /// # Errors
    ///
    /// Of kind [`Unsupported`](tower_multiserver_core::ErrorKind::Unsupported) when it is no such address.
    pub fn join<A, I>(&self, address: A) -> Result<Swarm<I>, Error>
    where
        A: TryInto<Address, Error: Into<Error>>,
        S: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
        S: Clone + Send + Sync + 'static,
        I: Io,
    {
        let address = address.try_into().map_err(Into::into)?;
        let topic = topic(&address)?;
        let node = self.node.0.clone();
        let (found, receiver) = mpsc::channel(1);
        let (leaving, left) = oneshot::channel();
        node.topics.fetch_add(1, Ordering::Relaxed);
        let manager = Manager::new(&node, self.stack.clone(), address, topic, found);
        node.spawn(manager.run(left));
        Ok(Swarm {
            node,
            topic,
            found: receiver,
            leaving: Some(leaving),
        })
    }
}

impl<I> Swarm<I> {
    /// Its topic.
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// The next peer that was reached or lost. It never ends. Cancel safe.
    pub async fn next(&mut self) -> Option<Change<PublicKey, Connection<SwarmIo<I>>>> {
        self.found.recv().await
    }

    /// Leaves the topic and waits until that is known in the DHT. Connections stay.
    ///
    /// # Errors
    ///
    /// When the DHT cannot be asked: then the topic is forgotten by itself within the hour.
    pub async fn leave(mut self) -> Result<(), Error> {
        self.stop();
        self.found.close();
        // The manager is gone when it can send no more, so it announces nothing behind our back.
        while self.found.recv().await.is_some() {}
        let topic = *self.topic.as_bytes();
        self.node.unannounce(topic).await
    }

    /// Whether it was not stopped before.
    fn stop(&mut self) -> bool {
        let was_joined = self.leaving.take().is_some();
        if was_joined {
            self.node.topics.fetch_sub(1, Ordering::Relaxed);
        }
        was_joined
    }
}

impl<I> Drop for Swarm<I> {
    fn drop(&mut self) {
        if self.stop() {
            let (node, topic) = (self.node.clone(), *self.topic.as_bytes());
            self.node.spawn(async move {
                if let Err(error) = node.unannounce(topic).await {
                    tracing::debug!(%error, "an announcement could not be taken back");
                }
            });
        }
    }
}

impl<I> Stream for Swarm<I> {
    type Item = Result<Change<PublicKey, Connection<SwarmIo<I>>>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.found.poll_recv(cx).map(|found| found.map(Ok))
    }
}

impl<S, I> Service<Address> for HyperSwarm<S>
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    I: Io,
{
    type Response = Connection<I>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stack.poll_ready(cx).map_err(into_error)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        match topic(&address) {
            Ok(topic) => {
                let find = first(
                    self.node.clone(),
                    self.stack.clone(),
                    address.clone(),
                    topic,
                );
                let deadline = Instant::now().checked_add(self.dial_timeout);
                Box::pin(async move { within(deadline, find).await.map_err(|e| e.at(|| address)) })
            }
            Err(_) => {
                let dial = self.stack.call(address);
                Box::pin(async { dial.await.map_err(into_error) })
            }
        }
    }
}

impl<S: Service<Listen>> Service<Listen> for HyperSwarm<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, listen: Listen) -> S::Future {
        self.stack.call(listen)
    }
}

impl<S: Service<Accept<R>>, R> Service<Accept<R>> for HyperSwarm<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, accept: Accept<R>) -> S::Future {
        self.stack.call(accept)
    }
}

/// The first peer of a topic that is reached.
async fn first<S, I>(
    node: HyperNode,
    stack: S,
    address: Address,
    topic: Topic,
) -> Result<Connection<I>, Error>
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    I: Io,
{
    loop {
        let mut keys = node.lookup(topic).await?;
        fastrand::shuffle(&mut keys);
        let mut keys = keys.into_iter();
        let mut dials = JoinSet::new();
        let mut outcome = Err(not_found());
        loop {
            while dials.len() < MAX_PARALLEL
                && let Some(key) = keys.next()
            {
                dials.spawn(dial(stack.clone(), at(&address, &key)));
            }
            match dials.join_next().await {
                Some(Ok(Ok(connection))) => return Ok(connection),
                Some(Ok(Err(error))) => outcome = Err(error),
                Some(Err(_)) => {}
                None => break,
            }
        }
        match outcome {
            // No peer will make this address understood.
            Err(error) if Error::is_unsupported(&error) => return Err(error),
            outcome => drop::<Result<(), Error>>(outcome),
        }
        sleep(PAUSE).await;
    }
}

fn topic(address: &Address) -> Result<Topic, Error> {
    Topic::of_section(address.transport())
}

fn into_error(error: impl Into<BoxError>) -> Error {
    Error::from(error.into())
}

impl<I> fmt::Debug for Swarm<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swarm")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
