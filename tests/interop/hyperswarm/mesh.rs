//! Our peers and theirs on one topic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Duration, timeout},
};
use tower::discover::Change;
use tower_multiserver::hyperswarm::{HyperDht, HyperSwarm, Topic};

use super::{Npm, hex_key, node, serve};

/// One of our peers, until dropped.
struct Ours {
    met: watch::Receiver<BTreeMap<String, usize>>,
    task: JoinHandle<()>,
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn ours(seed: u8, dht: &[String], topic: Topic) -> Ours {
    let node = node(seed, dht).await;
    let server = serve(node.clone()).await;
    let rendezvous = HyperSwarm::new(node.clone(), HyperDht::new(node));
    let mut swarm = rendezvous.join(topic.section().to_string()).unwrap();
    let (tell, met) = watch::channel(BTreeMap::new());
    let task = tokio::spawn(async move {
        // All of it, what keeps it open too.
        let mut server = server;
        let mut open = JoinSet::new();
        loop {
            let mut io = tokio::select! {
                Some(change) = swarm.next() => match change {
                    Change::Insert(_, io) => io.boxed(),
                    Change::Remove(_) => continue,
                },
                Some(accepted) = server.incoming.next() => match accepted {
                    Ok(io) => io.boxed(),
                    Err(_) => continue,
                },
                Some(ended) = open.join_next() => {
                    tell.send_modify(|met: &mut BTreeMap<String, usize>| {
                        *met.entry(ended.unwrap()).or_insert(1) -= 1;
                        met.retain(|_, count| *count > 0);
                    });
                    continue;
                }
            };
            let key = hex::encode(io.info().remote_key().unwrap().as_bytes());
            tell.send_modify(|met| *met.entry(key.clone()).or_default() += 1);
            open.spawn(async move {
                let _ = io.write_all(b"hello").await;
                let _ = io.read_to_end(&mut Vec::new()).await;
                key
            });
        }
    });
    Ours { met, task }
}

impl Ours {
    async fn meets(&mut self, others: &BTreeSet<String>) {
        let all = |met: &BTreeMap<String, usize>| {
            met.keys().collect::<BTreeSet<_>>() == others.iter().collect()
        };
        self.met.wait_for(all).await.unwrap();
    }
}

/// Waits until an npm peer has said that it is connected with all of these.
async fn npm_meets(npm: &mut Npm, job: u64, others: &BTreeSet<String>) {
    let mut met = BTreeSet::new();
    while &met != others {
        let connection = npm.event(job, "connection").await;
        met.insert(connection["key"].as_str().unwrap().to_owned());
    }
}

async fn npm_joins(dht: &[String], seed: u8, topic: Topic) -> (Npm, u64) {
    let mut npm = Npm::start().expect("the first one started");
    npm.join_dht(dht).await;
    let options = json!({ "behaviour": "keep", "seed": seed, "topic": topic.to_string() });
    let job = npm.tell("join", options).await;
    (npm, job)
}

fn all_but(seed: u8) -> BTreeSet<String> {
    (1..=6)
        .filter(|other| *other != seed)
        .map(hex_key)
        .collect()
}

#[tokio::test]
async fn all_pairs_of_three_of_ours_and_three_of_npm_meet_and_again_after_a_restart() {
    let Some(mut dht) = Npm::start() else { return };
    let bootstrap = dht.testnet().await;
    let topic = Topic::of_channel("mesh");
    let mut our = Vec::new();
    let mut their = Vec::new();
    for seed in 1..=3 {
        our.push(ours(seed, &bootstrap, topic).await);
        their.push(npm_joins(&bootstrap, seed + 3, topic).await);
    }
    let meeting = async {
        for (member, seed) in our.iter_mut().zip(1..) {
            member.meets(&all_but(seed)).await;
        }
        for ((npm, job), seed) in their.iter_mut().zip(4..) {
            npm_meets(npm, *job, &all_but(seed)).await;
        }
    };
    let began = std::time::Instant::now();
    timeout(Duration::from_secs(20), meeting)
        .await
        .expect("all pairs meet");
    println!("15 pairs in {:?}", began.elapsed());

    // One of theirs is killed and comes back, and so does one of ours.
    let (killed, _) = their.pop().unwrap();
    killed.kill().await;
    let (mut npm, job) = npm_joins(&bootstrap, 6, topic).await;
    let began = std::time::Instant::now();
    let others = all_but(6);
    let back = npm_meets(&mut npm, job, &others);
    timeout(Duration::from_secs(20), back)
        .await
        .expect("they meet again");
    println!("npm is back in {:?}", began.elapsed());

    drop(our.pop());
    let mut back = ours(3, &bootstrap, topic).await;
    let began = std::time::Instant::now();
    timeout(Duration::from_secs(20), back.meets(&all_but(3)))
        .await
        .expect("it meets them again");
    println!("ours is back in {:?}", began.elapsed());
}

#[tokio::test]
async fn who_has_left_is_not_found_by_npm() {
    let Some(mut npm) = Npm::start() else { return };
    let dht = npm.testnet().await;
    let topic = Topic::of_channel("left");
    let node = node(1, &dht).await;
    let _server = serve(node.clone()).await;
    let rendezvous = HyperSwarm::new(node.clone(), HyperDht::new(node));
    let swarm = rendezvous.join(topic.section().to_string()).unwrap();
    let look = json!({ "topic": topic.to_string() });
    let found = async {
        loop {
            let job = npm.tell("lookup", look.clone()).await;
            if npm.event(job, "found").await["keys"] == json!([hex_key(1)]) {
                break;
            }
        }
    };
    timeout(Duration::from_secs(20), found)
        .await
        .expect("it is announced");
    swarm.leave().await.unwrap();
    let job = npm.tell("lookup", look).await;
    assert_eq!(npm.event(job, "found").await["keys"], json!([]));
}
