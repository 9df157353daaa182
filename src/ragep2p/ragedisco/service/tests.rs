use std::{
    collections::{BTreeSet, HashMap},
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::{future::BoxFuture, stream};
use tokio::{task::JoinSet, time::Instant};

use super::{
    super::{
        Announcement, Message,
        testing::{announcement, endpoints, identity, peer},
    },
    *,
};
use crate::lock::lock;

/// deltaReconcile.
const EVERY: Duration = Duration::from_secs(60);
/// Long enough for all that can happen without a clock.
const MOMENT: Duration = Duration::from_millis(1);

/// Streams between the peers of a test. What is sent to a peer that has none to the sender is lost.
#[derive(Clone, Default)]
struct Network(Arc<Mutex<Queues>>);

/// To what the second hears of the first.
type Queues = HashMap<(PeerId, PeerId), mpsc::UnboundedSender<Vec<u8>>>;

/// The network, for one of the peers.
struct OfPeer {
    network: Network,
    own: PeerId,
    /// So many times opening fails.
    failures: Arc<AtomicUsize>,
}

impl Network {
    fn of(&self, seed: u8) -> OfPeer {
        OfPeer {
            network: self.clone(),
            own: peer(seed),
            failures: Arc::default(),
        }
    }

    fn send(&self, from: PeerId, to: PeerId, message: Vec<u8>) {
        if let Some(sender) = lock(&self.0).get(&(from, to)) {
            let _ = sender.send(message);
        }
    }

    fn is_open(&self, from: u8, to: u8) -> bool {
        let open = lock(&self.0);
        let sender = open.get(&(peer(from), peer(to)));
        sender.is_some_and(|sender| !sender.is_closed())
    }
}

impl Streams for OfPeer {
    fn open(&mut self, peer: PeerId) -> Result<(Sender, Receiver), BoxError> {
        let less = |left: usize| left.checked_sub(1);
        if self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
        {
            return Err("too many streams".into());
        }
        let (network, own) = (self.network.clone(), self.own);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        lock(&network.0).insert((peer, own), sender);
        let send = move |message| network.send(own, peer, message);
        let receive = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        Ok((Box::new(send), Box::pin(receive)))
    }
}

#[derive(Default)]
struct MemoryStore {
    kept: Mutex<HashMap<PeerId, Vec<u8>>>,
    writes: AtomicUsize,
    fails: bool,
    hangs: bool,
}

impl MemoryStore {
    fn of(&self, seed: u8) -> Option<Vec<u8>> {
        lock(&self.kept).get(&peer(seed)).cloned()
    }
}

impl Store for MemoryStore {
    fn read<'a>(&'a self, peers: &'a [PeerId]) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>> {
        Box::pin(async move {
            if self.hangs {
                pending::<()>().await;
            }
            if self.fails {
                return Err("line 3: nonsense".into());
            }
            let kept = lock(&self.kept);
            let entry = |peer: &PeerId| {
                let announcement = kept.get(peer)?.clone();
                Some(Entry {
                    peer: *peer,
                    announcement,
                })
            };
            Ok(peers.iter().filter_map(entry).collect())
        })
    }

    fn write<'a>(&'a self, entries: &'a [Entry]) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            self.writes.fetch_add(1, Ordering::SeqCst);
            if self.hangs {
                pending::<()>().await;
            }
            if self.fails {
                return Err("line 3: nonsense".into());
            }
            let entries = entries.iter().cloned();
            lock(&self.kept).extend(entries.map(|e| (e.peer, e.announcement)));
            Ok(())
        })
    }
}

/// Runs the discovery of peer `seed`, which is at 10.0.0.`seed`.
fn start(
    tasks: &mut JoinSet<()>,
    streams: OfPeer,
    seed: u8,
    store: Option<Arc<dyn Store>>,
) -> Discovery {
    let registry = Registry::new(identity(seed), endpoints(&[&at(seed)]));
    let (discovery, run) = Discovery::new(registry, streams, store, EVERY);
    tasks.spawn(run);
    discovery
}

fn at(seed: u8) -> String {
    format!("10.0.0.{seed}:1")
}

/// 1 and 2 are oracles, 9 is the bootstrapper.
fn group() -> Group {
    let address = "net:b.example:9".parse().expect("an address");
    Group::new([1, 2].map(peer)).bootstrapper(peer(9), [address])
}

const DIGEST: GroupDigest = GroupDigest::from_bytes([7; 32]);

fn found(discovery: &Discovery, seed: u8) -> Vec<String> {
    let found = discovery.find(peer(seed)).into_iter();
    found.map(|address| address.to_string()).collect()
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn two_oracles_find_each_other_over_a_bootstrapper_alone() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let [one, two, nine] = [1, 2, 9].map(|seed| start(&mut tasks, network.of(seed), seed, None));
    for discovery in [&one, &two, &nine] {
        discovery.add_group(DIGEST, group()).expect("added");
    }
    // There is no way between the two.
    pass(MOMENT).await;
    for (from, to) in [(1, 2), (2, 1)] {
        lock(&network.0).remove(&(peer(from), peer(to)));
    }
    pass(EVERY * 2).await;
    assert_eq!(found(&one, 2), ["net:10.0.0.2:1"]);
    assert_eq!(found(&two, 1), ["net:10.0.0.1:1"]);
    assert_eq!(found(&one, 9), ["net:b.example:9"]);
    assert_eq!(found(&nine, 1), ["net:10.0.0.1:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_peer_is_told_at_once_and_all_are_every_while() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let [one, two] = [1, 2].map(|seed| start(&mut tasks, network.of(seed), seed, None));
    pass(EVERY / 2).await;
    one.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    two.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    assert_eq!(found(&one, 2), ["net:10.0.0.2:1"]);
    // What was told to it before it had a stream is lost.
    assert_eq!(found(&two, 1), [""; 0]);
    pass(EVERY).await;
    assert_eq!(found(&two, 1), ["net:10.0.0.1:1"]);
}

#[tokio::test(start_paused = true)]
async fn other_addresses_are_told_without_waiting_for_the_clock() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let [one, two] = [1, 2].map(|seed| start(&mut tasks, network.of(seed), seed, None));
    for discovery in [&one, &two] {
        discovery.add_group(DIGEST, group()).expect("added");
    }
    pass(EVERY + EVERY / 2).await;
    one.set_endpoints(endpoints(&["10.0.0.1:2"]))
        .expect("announced");
    pass(MOMENT).await;
    assert_eq!(found(&two, 1), ["net:10.0.0.1:2"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_with_other_addresses_the_new_ones_win() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let two = start(&mut tasks, network.of(2), 2, None);
    two.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    let before = Announcement::sign(&identity(1), endpoints(&["10.9.9.9:9"]), 5);
    network.send(peer(1), peer(2), Message::Announcement(before).encode());
    pass(MOMENT).await;
    assert_eq!(found(&two, 1), ["net:10.9.9.9:9"]);

    let one = start(&mut tasks, network.of(1), 1, None);
    one.add_group(DIGEST, group()).expect("added");
    pass(EVERY).await;
    assert_eq!(found(&two, 1), ["net:10.0.0.1:1"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_no_use_disturb_nobody() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let one = start(&mut tasks, network.of(1), 1, None);
    one.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    let foreign = Message::Announcement(announcement(5, "10.0.0.5:1", 0)).encode();
    for message in [Vec::new(), vec![0xff; 1000], vec![0; 200_000], foreign] {
        network.send(peer(2), peer(1), message);
    }
    let good = Message::Announcement(announcement(2, "10.0.0.2:1", 0)).encode();
    network.send(peer(9), peer(1), good);
    pass(MOMENT).await;
    assert_eq!(found(&one, 2), ["net:10.0.0.2:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_always_speaks_silences_no_other() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let one = start(&mut tasks, network.of(1), 1, None);
    one.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    for speaker in [2, 9] {
        let other = 11 - speaker;
        let counter = u64::from(speaker);
        for _ in 0..1000 {
            network.send(peer(speaker), peer(1), vec![0xff]);
        }
        let news = announcement(2, &format!("10.0.0.2:{speaker}"), counter);
        network.send(peer(other), peer(1), Message::Announcement(news).encode());
        // A few turns of the executor are not enough for all of the speaker's messages.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(found(&one, 2), [format!("net:10.0.0.2:{speaker}")]);
        pass(MOMENT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_did_not_open_or_ended_is_opened_the_next_time() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let streams = network.of(1);
    streams.failures.store(2, Ordering::SeqCst);
    let one = start(&mut tasks, streams, 1, None);
    pass(MOMENT).await;
    one.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    assert!(!network.is_open(2, 1) && !network.is_open(9, 1));
    pass(EVERY).await;
    assert!(network.is_open(2, 1) && network.is_open(9, 1));

    lock(&network.0).clear();
    pass(EVERY).await;
    assert!(network.is_open(2, 1) && network.is_open(9, 1));
}

#[tokio::test(start_paused = true)]
async fn with_a_group_its_streams_close_and_what_was_known_is_kept() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let store = Arc::new(MemoryStore::default());
    let one = start(&mut tasks, network.of(1), 1, Some(store.clone()));
    one.add_group(DIGEST, group()).expect("added");
    let other = GroupDigest::from_bytes([8; 32]);
    let without_two = Group::new([1, 9].map(peer));
    one.add_group(other, without_two).expect("added");
    pass(MOMENT).await;
    let of_two = announcement(2, "10.0.0.2:1", 0);
    let message = Message::Announcement(of_two.clone()).encode();
    network.send(peer(2), peer(1), message);
    pass(MOMENT).await;
    assert_eq!(store.of(2), None);

    assert!(one.remove_group(DIGEST));
    assert!(!one.remove_group(DIGEST));
    pass(MOMENT).await;
    assert!(!network.is_open(2, 1) && network.is_open(9, 1));
    assert_eq!(store.of(2), Some(of_two.to_bytes()));
    assert_eq!(found(&one, 2), [""; 0]);

    one.add_group(DIGEST, group()).expect("added");
    pass(MOMENT).await;
    assert_eq!(found(&one, 2), ["net:10.0.0.2:1"]);
    assert!(network.is_open(2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_kept_every_two_minutes_if_it_is_new() {
    let (network, mut tasks) = (Network::default(), JoinSet::new());
    let store = Arc::new(MemoryStore::default());
    let one = start(&mut tasks, network.of(1), 1, Some(store.clone()));
    one.add_group(DIGEST, group()).expect("added");
    pass(SAVE_INTERVAL - MOMENT).await;
    let writes = || store.writes.load(Ordering::SeqCst);
    assert_eq!(writes(), 0);
    pass(MOMENT * 2).await;
    assert_eq!((writes(), store.of(1).is_some()), (1, true));
    pass(SAVE_INTERVAL * 2).await;
    assert_eq!(writes(), 1);

    let of_two = announcement(2, "10.0.0.2:1", 0);
    let message = Message::Announcement(of_two.clone()).encode();
    network.send(peer(2), peer(1), message);
    pass(SAVE_INTERVAL).await;
    assert_eq!((writes(), store.of(2)), (2, Some(of_two.to_bytes())));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_keeps_nobody_from_being_found() {
    for (fails, hangs) in [(true, false), (false, true)] {
        let (network, mut tasks) = (Network::default(), JoinSet::new());
        let store = Arc::new(MemoryStore {
            fails,
            hangs,
            ..MemoryStore::default()
        });
        let one = start(&mut tasks, network.of(1), 1, Some(store.clone()));
        let two = start(&mut tasks, network.of(2), 2, None);
        for discovery in [&one, &two] {
            discovery.add_group(DIGEST, group()).expect("added");
        }
        pass(SAVE_INTERVAL + EVERY).await;
        assert_eq!(found(&one, 2), ["net:10.0.0.2:1"]);
        one.set_endpoints(endpoints(&["10.0.0.1:2"]))
            .expect("announced");
        pass(SAVE_INTERVAL).await;
        assert_eq!(found(&two, 1), ["net:10.0.0.1:2"]);
        // What failed is tried again; what hangs is not piled up.
        let writes = store.writes.load(Ordering::SeqCst);
        assert_eq!(writes, if fails { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_last_handle_keeps_what_is_known_and_closes_its_streams() {
    for hangs in [false, true] {
        let (network, mut tasks) = (Network::default(), JoinSet::new());
        let store = Arc::new(MemoryStore {
            hangs,
            ..MemoryStore::default()
        });
        let one = start(&mut tasks, network.of(1), 1, Some(store.clone()));
        one.add_group(DIGEST, group()).expect("added");
        pass(MOMENT).await;
        assert!(network.is_open(2, 1));
        drop(one.clone());
        pass(MOMENT).await;
        assert!(tasks.try_join_next().is_none());

        drop(one);
        let begin = Instant::now();
        tasks.join_next().await.expect("a task").expect("no panic");
        assert!(begin.elapsed() <= Duration::from_secs(6));
        assert_eq!(store.of(1).is_some(), !hangs);
        assert!(!network.is_open(2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn no_interval_is_so_short_that_nothing_else_happens() {
    let network = Network::default();
    let registry = Registry::new(identity(1), endpoints(&[&at(1)]));
    let (discovery, run) = Discovery::new(registry, network.of(1), None, Duration::ZERO);
    let mut tasks = JoinSet::new();
    tasks.spawn(run);
    discovery.add_group(DIGEST, group()).expect("added");
    let (sender, mut sent) = mpsc::unbounded_channel();
    lock(&network.0).insert((peer(1), peer(2)), sender);
    pass(Duration::from_millis(55)).await;
    let mut count = BTreeSet::new();
    while let Ok(message) = sent.try_recv() {
        count.insert((count.len(), message));
    }
    assert!((5..=8).contains(&count.len()), "{}", count.len());
}
