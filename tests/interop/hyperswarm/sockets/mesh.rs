//! Our peers and theirs in one swarm.

use std::{collections::BTreeSet, time::Instant};

use tokio::time::Instant as Deadline;

use super::*;

/// One of theirs.
struct Theirs {
    npm: Npm,
    job: u64,
    met: BTreeSet<String>,
}

/// How long it may take until all have met.
const MEETING: Duration = Duration::from_secs(20);

impl Theirs {
    async fn enter(first: &Npm, seed: u8) -> Self {
        let mut npm = first.beside().await;
        let job = npm.tell("enter", json!({ "seed": seed, "name": "mesh" }));
        Self {
            job: job.await,
            npm,
            met: BTreeSet::new(),
        }
    }

    async fn meets(&mut self, others: &BTreeSet<String>) {
        while &self.met != others {
            let event = self
                .npm
                .event_of(self.job, &["connect", "socket-close"])
                .await;
            let key = event["key"].as_str().unwrap().to_owned();
            match event["event"] == "connect" {
                true => self.met.insert(key),
                false => self.met.remove(&key),
            };
        }
    }
}

/// Waits until there is a socket to each of these, and to nobody else.
async fn meets(swarm: &Swarm, others: &BTreeSet<String>) {
    let mut events = swarm.events();
    let met = || -> BTreeSet<String> {
        let sockets = swarm.sockets().into_iter();
        sockets.map(|s| hex::encode(s.id().as_bytes())).collect()
    };
    while &met() != others {
        events.next().await.unwrap();
    }
}

#[tokio::test]
async fn all_pairs_of_three_of_ours_and_two_of_npm_meet_and_again_after_one_was_killed() {
    let Some(mut first) = Npm::start() else {
        return;
    };
    let dht = first.testnet().await;
    let mut ours = Vec::new();
    for _ in 0..3 {
        ours.push(peers(&dht).join(SwarmId::open("mesh")).await.unwrap());
    }
    let mut theirs = vec![
        Theirs::enter(&first, 1).await,
        Theirs::enter(&first, 2).await,
    ];
    let keys: BTreeSet<String> = ours.iter().map(hex).chain([1, 2].map(hex_key)).collect();
    let others = |own: &str| -> BTreeSet<String> {
        keys.iter().filter(|key| *key != own).cloned().collect()
    };

    let began = Instant::now();
    let all_meet = async |ours: &[Swarm], theirs: &mut [Theirs]| {
        let deadline = Deadline::now() + MEETING;
        let meeting = async {
            for swarm in ours {
                meets(swarm, &others(&hex(swarm))).await;
            }
            for (one, seed) in theirs.iter_mut().zip(1..) {
                one.meets(&others(&hex_key(seed))).await;
            }
        };
        tokio::time::timeout_at(deadline, meeting)
            .await
            .expect("all pairs meet");
    };
    all_meet(&ours, &mut theirs).await;
    println!("10 pairs in {:?}", began.elapsed());

    // A socket to it ended with that reason at each of ours.
    let killed = theirs.pop().unwrap();
    let mut events: Vec<_> = ours.iter().map(Swarm::events).collect();
    let began = Instant::now();
    killed.npm.kill().await;
    for events in &mut events {
        let gone = async {
            loop {
                match events.next().await.unwrap() {
                    SwarmEvent::Disconnected { socket, reason }
                        if hex::encode(socket.id().as_bytes()) == hex_key(2) =>
                    {
                        return reason;
                    }
                    _ => {}
                }
            }
        };
        let reason = timeout(PATIENCE, gone).await.unwrap();
        assert_eq!(reason, CloseReason::Timeout);
    }
    println!("given up after {:?}", began.elapsed());

    let began = Instant::now();
    theirs.push(Theirs::enter(&first, 2).await);
    all_meet(&ours, &mut theirs).await;
    println!("back in {:?}", began.elapsed());
}
