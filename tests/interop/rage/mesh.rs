//! Two hosts of ours and two in Go, each in a process of its own and with a stream to every other.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    obedient,
    pair::{seed, wide_json},
};
use crate::harness::{RageHost, RagePeer};

/// More than one connection heals here, one after the other.
const LONG: std::time::Duration = crate::harness::PATIENCE.saturating_mul(2);

/// What the four are; the last is of version `new` where there is one.
const VERSIONS: [&str; 4] = ["ours v1", "ours v2", "v1", "new"];

/// How many messages are sent at once, so that they could overtake each other.
const BURST: u64 = 20;

struct Mesh {
    nodes: Vec<Node>,
    /// The number of the next message, of all.
    next: u64,
    messages: Vec<Vec<u64>>,
}

struct Node {
    version: &'static str,
    process: RagePeer,
    host: RageHost,
    /// By the other's place. None for itself.
    streams: Vec<Option<u64>>,
}

fn process(version: &'static str) -> Option<RagePeer> {
    match version {
        "v1" | "new" => RagePeer::of(version),
        _ => Some(obedient::start()),
    }
}

impl Mesh {
    /// `None` when the test is to be skipped.
    async fn new(last: &'static str) -> Option<Self> {
        let mut nodes = Vec::new();
        for (place, version) in (0..).zip(VERSIONS) {
            let version = if version == "new" { last } else { version };
            let mut process = process(version)?;
            let host = process.host(version, &seed(10 + place), json!({})).await;
            let streams = Vec::new();
            nodes.push(Node {
                version,
                process,
                host,
                streams,
            });
        }
        let mut mesh = Self {
            nodes,
            next: 0,
            messages: vec![vec![0; 4]; 4],
        };
        for at in 0..4 {
            mesh.join(at).await;
        }
        Some(mesh)
    }

    /// Tells it where the others are, and opens its streams.
    async fn join(&mut self, at: usize) {
        let others: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.host.peer.clone(), node.host.address.clone()))
            .collect();
        let node = &mut self.nodes[at];
        let known = others.iter().enumerate().filter(|(other, _)| *other != at);
        let known: serde_json::Map<_, _> = known
            .map(|(_, (peer, address))| (peer.clone(), json!([address])))
            .collect();
        let known = json!({ "host": node.host.number, "addresses": known });
        node.process.done("addresses", known).await;
        node.streams = vec![None; others.len()];
        for (other, (peer, _)) in others.iter().enumerate().filter(|(other, _)| *other != at) {
            let stream = node
                .process
                .stream(&node.host, peer, "mesh", wide_json())
                .await;
            node.streams[other] = Some(stream);
        }
    }

    /// Every two of these hear of each other, in order, once, unaltered.
    async fn talk(&mut self, who: &[usize]) {
        let mut left: Vec<_> = who
            .iter()
            .flat_map(|from| who.iter().map(|to| (*from, *to)))
            .filter(|(from, to)| from != to && self.can_heal(*from, *to))
            .collect();
        let first = self.next;
        let over = Instant::now() + LONG;
        while !left.is_empty() {
            assert!(Instant::now() < over, "{left:?} do not hear of each other");
            for (from, to) in &left {
                self.send(*from, *to).await;
            }
            let mut silent = Vec::new();
            for (from, to) in left {
                if !self.hears(from, to, first).await {
                    silent.push((from, to));
                }
            }
            left = silent;
        }
    }

    /// A host of version `new` may not hear that a stream is opened. We say it twice; a host in Go does not, and their stream
    /// may stay mute.
    fn can_heal(&self, from: usize, to: usize) -> bool {
        let versions = [from, to].map(|at| self.nodes[at].version);
        !versions.contains(&"new") || versions.iter().any(|version| version.starts_with("ours"))
    }

    async fn send(&mut self, from: usize, to: usize) {
        let number = self.next;
        self.next += BURST;
        let node = &mut self.nodes[from];
        let stream = node.streams[to].expect("there is one");
        let size = 8 + number % 5000;
        node.process
            .send(
                stream,
                json!({ "from": number, "count": BURST, "size": size }),
            )
            .await;
    }

    /// Whether one has heard from another what was sent from this message on.
    async fn hears(&mut self, from: usize, to: usize, first: u64) -> bool {
        let node = &mut self.nodes[to];
        let heard = &mut self.messages[to][from];
        let wait = json!({ "stream": node.streams[from], "count": *heard + 1, "millis": 50 });
        let told = node.process.done("wait", wait).await["messages"].take();
        assert_eq!(
            told["wrong"],
            Value::Null,
            "{} from {}: {told}",
            node.version,
            from
        );
        let counters = told["counters"].as_array().unwrap();
        *heard = counters.len() as u64;
        counters
            .last()
            .is_some_and(|last| last.as_u64() >= Some(first))
    }

    async fn restart(&mut self, at: usize) {
        let node = self.nodes.remove(at);
        node.process.kill().await;
        let mut process = process(node.version).expect("it was there");
        let listen = json!({ "listen": [&node.host.address] });
        let host = process
            .host(node.version, &seed(10 + at as u8), listen)
            .await;
        let streams = Vec::new();
        self.nodes.insert(
            at,
            Node {
                process,
                host,
                streams,
                ..node
            },
        );
        self.messages[at].fill(0);
        self.join(at).await;
    }
}

async fn all_heal(last: &'static str) {
    let Some(mut mesh) = Mesh::new(last).await else {
        return;
    };
    let all = [0, 1, 2, 3];
    mesh.talk(&all).await;
    for at in all {
        let others: Vec<_> = all.into_iter().filter(|other| *other != at).collect();
        mesh.nodes[at].process.signal("STOP");
        mesh.talk(&others).await;
        mesh.nodes[at].process.signal("CONT");
        mesh.talk(&all).await;
        mesh.restart(at).await;
        mesh.talk(&all).await;
    }
}

#[tokio::test]
async fn two_of_ours_and_two_of_v1_heal_whoever_is_stopped_or_killed() {
    all_heal("v1").await;
}

#[tokio::test]
async fn two_of_ours_v1_and_new_heal_whoever_is_stopped_or_killed() {
    all_heal("new").await;
}
