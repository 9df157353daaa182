//! Who finds and dials the peers of a topic.

use std::{
    collections::HashMap,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use crate::lock::lock;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::discover::Change;
use tower_multiserver_core::{Address, BoxError, Connection, Error, ErrorKind, Io, PublicKey};
use tower_service::Service;

use super::{
    HyperNode, Topic,
    found::{at, dial},
    inner::Inner,
    swarm_io::SwarmIo,
};

/// The work behind a [`Swarm`](super::Swarm).
pub(super) struct Manager<S, I> {
    node: Weak<Inner>,
    stack: S,
    address: Address,
    topic: Topic,
    found: mpsc::Sender<Change<PublicKey, Connection<SwarmIo<I>>>>,
    peers: Peers,
}

/// The peers of a topic, and when to dial which. Free of IO.
#[derive(Debug, Default)]
struct Peers(HashMap<PublicKey, Peer>);

#[derive(Debug)]
struct Peer {
    state: State,
    failures: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Waiting { until: Instant },
    Dialing,
    Connected { since: Instant },
}

impl State {
    /// To be dialed in so many seconds, and up to a half more.
    fn waiting(now: Instant, seconds: u64) -> Self {
        let until = now.checked_add(jittered(seconds)).unwrap_or(now);
        Self::Waiting { until }
    }
}

/// How many peers are dialed at once; as npm hyperswarm does.
pub(super) const MAX_PARALLEL: usize = 3;

/// How many keys are known of a topic. Anybody can announce many.
const MAX_KNOWN: usize = 1024;

/// When a topic is looked up and announced after it was joined, in seconds. Peers that join together miss each other at first.
const FIRST_LOOKUPS: [u64; 5] = [0, 1, 3, 7, 20];

/// And then every so many seconds, and up to a half more; as npm hyperswarm does.
const LOOKUPS: u64 = 600;

/// How many seconds to wait after so many failures, and up to a half more; as npm hyperswarm does.
const BACKOFF: [u64; 4] = [1, 5, 15, 600];

/// How many seconds to wait where the peer has reached us instead, and up to a half more.
const REACHED: u64 = 30;

/// A connection that ends sooner counts as a failure: who accepts everybody and drops them would be dialed each second. As
/// npm hyperswarm has it.
const LASTING: Duration = Duration::from_secs(15);

type LookedUp = Option<Result<Vec<PublicKey>, Error>>;

impl<S, I> Manager<S, I>
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    I: Io,
{
    pub(super) fn new(
        node: &Arc<Inner>,
        stack: S,
        address: Address,
        topic: Topic,
        found: mpsc::Sender<Change<PublicKey, Connection<SwarmIo<I>>>>,
    ) -> Self {
        Self {
            node: Arc::downgrade(node),
            stack,
            address,
            topic,
            found,
            peers: Peers::default(),
        }
    }

    /// Runs until the topic is left.
    pub(super) async fn run(self, left: oneshot::Receiver<()>) {
        tokio::select! {
            _ = left => {}
            () = self.manage() => {}
        }
    }

    async fn manage(mut self) {
        let (lost, mut losses) = mpsc::unbounded_channel();
        let mut dials: JoinSet<(PublicKey, Result<Connection<I>, Error>)> = JoinSet::new();
        let joined = Instant::now();
        let mut firsts = FIRST_LOOKUPS.into_iter();
        let mut looking: BoxFuture<'static, LookedUp> = self.look_up(Duration::ZERO);
        loop {
            let now = Instant::now();
            while dials.len() < MAX_PARALLEL
                && let Some(key) = self.peers.take_due(now)
            {
                let dial = dial(self.stack.clone(), at(&self.address, &key));
                dials.spawn(async move {
                    // A panic, such as of a hook, is the end of this dial alone.
                    let dialed = AssertUnwindSafe(dial).catch_unwind().await;
                    (key, dialed.unwrap_or_else(|_| Err(panicked())))
                });
            }
            let due = match dials.len() < MAX_PARALLEL {
                true => self.peers.next_due(),
                false => None,
            };
            let retry = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let change = tokio::select! {
                looked_up = &mut looking => {
                    match looked_up {
                        None => return,
                        Some(Ok(keys)) => {self.peers.saw(keys, Instant::now())},
                        Some(Err(error)) => tracing::debug!(%error, "a topic could not be looked up"),
                    }
                    let pause = match firsts.next() {
                        Some(after) => Duration::from_secs(after).saturating_sub(joined.elapsed()),
                        None => jittered(LOOKUPS),
                    };
                    looking = self.look_up(pause);
                    continue;
                }
                Some(Ok((key, dialed))) = dials.join_next() => match dialed {
                    Ok(connection) => {
                        self.peers.connected(key, Instant::now());
                        let lost = lost.clone();
                        let connection = connection.map(|io| SwarmIo::new(io, key, lost));
                        Change::Insert(key, connection)
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a found peer was not reached");
                        self.peers.failed(key, reached_us(&error), Instant::now());
                        continue;
                    }
                },
                Some(key) = losses.recv() => {
                    self.peers.lost(key, Instant::now());
                    Change::Remove(key)
                }
                () = retry => continue,
            };
            if self.found.send(change).await.is_err() {
                return;
            }
        }
    }

    /// After a pause, announces the topic if the node is reached, and looks it up. None if the node is gone.
    fn look_up(&self, pause: Duration) -> BoxFuture<'static, LookedUp> {
        let (node, topic) = (self.node.clone(), self.topic);
        Box::pin(async move {
            sleep(pause).await;
            let node = HyperNode(node.upgrade()?);
            let listens = lock(&node.0.door).is_some();
            if listens && let Err(error) = node.announce(topic).await {
                tracing::debug!(%error, "a topic could not be announced");
            }
            Some(node.lookup(topic).await)
        })
    }
}

impl Peers {
    /// These keys are announced.
    fn saw(&mut self, keys: Vec<PublicKey>, now: Instant) {
        // Who is announced no longer and cannot be reached is forgotten.
        self.0.retain(|key, peer| {
            let is_in_use = !matches!(peer.state, State::Waiting { .. });
            is_in_use || peer.failures < BACKOFF.len() || keys.contains(key)
        });
        for key in keys {
            if self.0.len() < MAX_KNOWN {
                self.0.entry(key).or_insert(Peer {
                    state: State::Waiting { until: now },
                    failures: 0,
                });
            }
        }
    }

    /// A peer to dial now.
    fn take_due(&mut self, now: Instant) -> Option<PublicKey> {
        let due = |(_, peer): &(&PublicKey, &mut Peer)| match peer.state {
            State::Waiting { until } => until <= now,
            _ => false,
        };
        let (key, peer) = self.0.iter_mut().find(due)?;
        peer.state = State::Dialing;
        Some(*key)
    }

    /// When the next peer is to be dialed.
    fn next_due(&self) -> Option<Instant> {
        let waiting = self.0.values().filter_map(|peer| match peer.state {
            State::Waiting { until } => Some(until),
            _ => None,
        });
        waiting.min()
    }

    fn connected(&mut self, key: PublicKey, now: Instant) {
        if let Some(peer) = self.0.get_mut(&key) {
            peer.state = State::Connected { since: now };
        }
    }

    fn failed(&mut self, key: PublicKey, reached_us: bool, now: Instant) {
        if let Some(peer) = self.0.get_mut(&key) {
            match reached_us {
                true => peer.state = State::waiting(now, REACHED),
                false => peer.back_off(now),
            }
        }
    }

    fn lost(&mut self, key: PublicKey, now: Instant) {
        if let Some(peer) = self.0.get_mut(&key) {
            if let State::Connected { since } = peer.state
                && now.saturating_duration_since(since) >= LASTING
            {
                peer.failures = 0;
            }
            peer.back_off(now);
        }
    }
}

impl Peer {
    fn back_off(&mut self, now: Instant) {
        let [.., longest] = BACKOFF;
        let wait = BACKOFF.get(self.failures).copied().unwrap_or(longest);
        self.failures = self.failures.saturating_add(1);
        self.state = State::waiting(now, wait);
    }
}

/// So many seconds, and up to a half more, so that peers do not act in step.
fn jittered(seconds: u64) -> Duration {
    let least = Duration::from_secs(seconds);
    least.saturating_add(least.mul_f64(fastrand::f64() / 2.0))
}

fn panicked() -> Error {
    Error::new(ErrorKind::Other, "a layer of the stack panicked")
}

/// Whether the peer's own connection was there first.
fn reached_us(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let error = source.and_then(|source| source.downcast_ref::<io::Error>());
    let kind = error.map(io::Error::kind);
    [
        Some(io::ErrorKind::AlreadyExists),
        Some(io::ErrorKind::ConnectionAborted),
    ]
    .contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u16) -> Vec<PublicKey> {
        let key = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            PublicKey::from_bytes(bytes)
        };
        (0..count).map(key).collect()
    }

    #[tokio::test]
    async fn ten_thousand_announced_keys_are_a_thousand_peers() {
        let mut peers = Peers::default();
        peers.saw(keys(10_000), Instant::now());
        assert_eq!(peers.0.len(), MAX_KNOWN);
    }

    #[tokio::test]
    async fn an_hour_of_failures_makes_ten_dials_and_no_more() {
        let fails = |peers: &mut Peers, key, now| peers.failed(key, false, now);
        let drops = |peers: &mut Peers, key, now| {
            peers.connected(key, now);
            peers.lost(key, now + LASTING / 2);
        };
        for fail in [fails as fn(&mut Peers, PublicKey, Instant), drops] {
            let mut peers = Peers::default();
            let began = Instant::now();
            let mut now = began;
            let [key] = keys(1)[..] else { unreachable!() };
            peers.saw(vec![key], now);
            let mut dials = 0;
            while now < began + Duration::from_secs(3600) {
                assert_eq!(peers.take_due(now), Some(key));
                assert_eq!(peers.take_due(now), None);
                dials += 1;
                fail(&mut peers, key, now);
                now = peers.next_due().unwrap();
            }
            assert!((4..=10).contains(&dials), "{dials}");
        }
    }

    #[tokio::test]
    async fn who_is_lost_is_dialed_again_after_a_second_or_so_and_who_is_gone_is_forgotten() {
        let mut peers = Peers::default();
        let mut now = Instant::now();
        let [key] = keys(1)[..] else { unreachable!() };
        peers.saw(vec![key], now);
        // However often, if it lasted.
        for _ in 0..10 {
            peers.take_due(now);
            peers.connected(key, now);
            peers.saw(Vec::new(), now);
            now += LASTING;
            peers.lost(key, now);
            let due = peers.next_due().unwrap();
            assert!(
                due >= now + Duration::from_secs(1) && due <= now + Duration::from_millis(1500)
            );
            now = due;
        }
        for _ in 0..BACKOFF.len() {
            peers.failed(key, false, now);
        }
        peers.saw(Vec::new(), now);
        assert_eq!(peers.next_due(), None);
    }
}
