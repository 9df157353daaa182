//! Topics: finding, meeting, leaving.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Barrier, Notify},
    time::timeout,
};
use tower::{ServiceBuilder, discover::Change, service_fn};
use tower_multiserver::{
    Address, Connection, Error, ErrorKind, Peer, PublicKey, Shutdown, StackExt,
    hyperswarm::{HyperDht, HyperNode, HyperSwarm, Topic},
    shs::ShsLayer,
};

use crate::lab::{Lab, PATIENCE, identity, serve};

/// Who a member has met, in either direction, until dropped.
struct Member {
    met: tokio::sync::watch::Receiver<HashMap<PublicKey, usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A node that has joined `topic`, keeps its connections and forgets those that end.
async fn member(node: HyperNode, topic: Topic) -> Member {
    let server = serve(node.clone()).await;
    let rendezvous = HyperSwarm::new(node.clone(), HyperDht::new(node));
    let mut swarm = rendezvous.join(topic.section().to_string()).unwrap();
    let (tell, met) = tokio::sync::watch::channel(HashMap::new());
    let task = tokio::spawn(async move {
        // All of it, what keeps it open too.
        let mut server = server;
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (key, mut io) = tokio::select! {
                Some(change) = swarm.next() => match change {
                    Change::Insert(key, io) => (key, io.boxed()),
                    Change::Remove(_) => continue,
                },
                Some(accepted) = server.incoming.next() => match accepted {
                    Ok(io) => (io.info().remote_key().unwrap(), io.boxed()),
                    Err(_) => continue,
                },
                Some(ended) = open.join_next() => {
                    tell.send_modify(|met: &mut HashMap<PublicKey, usize>| {
                        let count = met.entry(ended.unwrap()).or_default();
                        *count = count.saturating_sub(1);
                        met.retain(|_, count| *count > 0);
                    });
                    continue;
                }
            };
            tell.send_modify(|met| {
                *met.entry(key).or_default() += 1;
            });
            open.spawn(async move {
                let _ = io.write_all(b"hello").await;
                let _ = io.read_to_end(&mut Vec::new()).await;
                key
            });
        }
    });
    Member { met, task }
}

impl Member {
    async fn meets(&mut self, count: usize) {
        let all = self.met.wait_for(|met| met.len() == count);
        timeout(PATIENCE, all).await.expect("they meet").unwrap();
    }
}

#[tokio::test]
async fn all_pairs_of_four_peers_that_join_together_meet_and_a_fifth_meets_them() {
    let lab = Lab::new().await;
    let topic = Topic::of_channel("mesh");
    let mut members = Vec::new();
    for seed in 1..=4 {
        members.push(member(lab.node(seed).await, topic).await);
    }
    for member in &mut members {
        member.meets(3).await;
    }
    let mut fifth = member(lab.node(5).await, topic).await;
    fifth.meets(4).await;
}

#[tokio::test]
async fn a_peer_is_dialed_again_after_a_hook_has_panicked() {
    let lab = Lab::new().await;
    let topic = Topic::of_channel("panic");
    let _found = member(lab.node(2).await, topic).await;
    let asked = AtomicUsize::new(0);
    let asked: &'static AtomicUsize = Box::leak(Box::new(asked));
    let node = lab.builder(1).authorize(move |_: Peer| async move {
        let before = asked.fetch_add(1, Ordering::Relaxed);
        assert!(before > 0, "the hook of this test panics once");
        Ok::<_, Error>(())
    });
    let node = node.spawn().await.unwrap();
    let rendezvous = HyperSwarm::new(node.clone(), HyperDht::new(node));
    let mut swarm = rendezvous.join(topic.section().to_string()).unwrap();
    let change = timeout(PATIENCE, swarm.next()).await.expect("it is dialed");
    let key = identity(2).public_key();
    assert!(matches!(change, Some(Change::Insert(met, _)) if met == key));
    assert!(asked.load(Ordering::Relaxed) >= 2);
}

/// How many are being dialed.
#[derive(Default)]
struct Dials {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
    ended: Notify,
}

/// A stack that reaches nobody, and finds that out once so many are being dialed.
async fn dial_in_threes(dials: Arc<Dials>, three: Arc<Barrier>) -> Result<Connection, Error> {
    let now = dials.now.fetch_add(1, Ordering::Relaxed) + 1;
    dials.most.fetch_max(now, Ordering::Relaxed);
    three.wait().await;
    // Who else is there has begun by then.
    tokio::task::yield_now().await;
    dials.now.fetch_sub(1, Ordering::Relaxed);
    dials.all.fetch_add(1, Ordering::Relaxed);
    dials.ended.notify_one();
    Err(Error::new(ErrorKind::Io, "nobody is there"))
}

#[tokio::test]
async fn of_many_peers_that_are_found_three_are_dialed_at_once() {
    let lab = Lab::new().await;
    let topic = Topic::of_channel("crowd");
    let mut crowd = Vec::new();
    for seed in 1..=6 {
        let server = lab.server(seed).await;
        server.node.announce(topic).await.unwrap();
        crowd.push(server);
    }
    let node = lab.node(9).await;
    let all_are_known = async {
        while node.lookup(topic).await.unwrap().len() < crowd.len() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all_are_known).await.unwrap();
    for joins in [true, false] {
        let dials = Arc::new(Dials::default());
        let (counted, three) = (dials.clone(), Arc::new(Barrier::new(3)));
        let stack = service_fn(move |_: Address| dial_in_threes(counted.clone(), three.clone()));
        let rendezvous = HyperSwarm::new(node.clone(), stack);
        let to = topic.section().to_string();
        let all_are_dialed = async {
            while dials.all.load(Ordering::Relaxed) < crowd.len() {
                dials.ended.notified().await;
            }
        };
        let _swarm = joins.then(|| rendezvous.join(to.as_str()).unwrap());
        let dial = async {
            match joins {
                true => std::future::pending().await,
                false => rendezvous.dial(to.as_str()).await.map(drop),
            }
        };
        tokio::select! {
            done = timeout(PATIENCE, all_are_dialed) => done.unwrap(),
            dialed = dial => panic!("nobody is there: {dialed:?}"),
        }
        assert_eq!(dials.most.load(Ordering::Relaxed), 3, "{joins}");
    }
}

#[tokio::test]
async fn a_peer_that_comes_back_with_its_key_is_met_again() {
    let lab = Lab::new().await;
    let topic = Topic::of_channel("again");
    let mut stays = member(lab.node(1).await, topic).await;
    for _ in 0..3 {
        let mut comes = member(lab.node(2).await, topic).await;
        comes.meets(1).await;
        stays.meets(1).await;
        drop(comes);
        stays.meets(0).await;
    }
}

#[tokio::test]
async fn dialing_a_topic_yields_a_peer_of_it_through_shs_without_its_key() {
    let lab = Lab::new().await;
    let node = lab.node(1).await;
    let stack = |node: HyperNode, seed| {
        let shs = ServiceBuilder::new()
            .layer(ShsLayer::new(identity(seed)))
            .service(HyperDht::new(node.clone()));
        HyperSwarm::new(node, shs)
    };
    let server = stack(node.clone(), 1);
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = server.listen("hyperdht~shs", closing).await.unwrap();
    let _swarm = server.join("dht:chat~shs").unwrap();

    let client = stack(lab.node(2).await, 2);
    let (dialed, accepted) = tokio::join!(client.dial("dht:chat~shs"), incoming.next());
    let mut accepted = accepted.unwrap().unwrap();
    dialed.unwrap().write_all(b"hi").await.unwrap();
    let mut text = [0; 2];
    accepted.read_exact(&mut text).await.unwrap();
    assert_eq!(accepted.info().remote_key(), Some(identity(2).public_key()));

    let error = client.dial("hyperswarm:chat~shs").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn who_has_left_is_found_by_nobody() {
    let lab = Lab::new().await;
    let topic = Topic::of_channel("left");
    let server = lab.server(1).await;
    let rendezvous = HyperSwarm::new(server.node.clone(), HyperDht::new(server.node.clone()));
    let swarm = rendezvous.join(topic.section().to_string()).unwrap();
    let looks = lab.node(2).await;
    let found = async {
        while looks.lookup(topic).await.unwrap() != [server.node.public_key()] {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, found).await.unwrap();
    swarm.leave().await.unwrap();
    assert_eq!(lab.node(3).await.lookup(topic).await.unwrap(), []);
}

#[tokio::test]
async fn two_peers_that_dial_each_other_at_once_keep_one_connection() {
    let lab = Lab::new().await;
    let one = lab.node(1).await;
    let other = lab.node(2).await;
    let mut ends = Vec::new();
    for node in [&one, &other] {
        let server = serve(node.clone()).await;
        let rendezvous = HyperSwarm::new(node.clone(), HyperDht::new(node.clone()));
        // A topic of its own: it makes the node keep the rule, and dials nobody.
        let swarm = rendezvous
            .join(
                Topic::from_bytes(*node.public_key().as_bytes())
                    .section()
                    .to_string(),
            )
            .unwrap();
        ends.push((server, swarm, rendezvous));
    }
    let [(server1, _swarm1, dial1), (server2, _swarm2, dial2)] = &mut ends[..] else {
        unreachable!()
    };
    let to1 = server1.node.section().to_string();
    let to2 = server2.node.section().to_string();
    for _ in 0..5 {
        let mut kept = Vec::new();
        let both = async { tokio::join!(dial1.dial(to2.as_str()), dial2.dial(to1.as_str())) };
        let mut both = std::pin::pin!(both);
        let mut came = Vec::new();
        let (d1, d2) = loop {
            tokio::select! {
                done = &mut both => break done,
                Some(io) = server1.incoming.next() => came.push(io),
                Some(io) = server2.incoming.next() => came.push(io),
            }
        };
        kept.extend([d1, d2].into_iter().flatten());
        assert!(!kept.is_empty() || !came.is_empty());
        let ends = kept.into_iter().chain(came.into_iter().flatten());
        let mut ends: FuturesUnordered<_> =
            ends.map(async |mut io| io.read(&mut [0]).await).collect();
        // Whoever is superseded is told so, and need not find out by silence.
        while ends.len() > 2 {
            let ended = timeout(PATIENCE, ends.next()).await.expect("it ends");
            let error = ended.expect("three ends").err();
            let kind = error.map(|error| error.kind());
            assert_ne!(kind, Some(std::io::ErrorKind::TimedOut));
        }
    }
}
