//! This test program as one with hosts of ours that obeys as the one in Go does, for tests that stop or kill it.

use std::{
    collections::{HashMap, HashSet},
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    select,
    sync::{mpsc, watch},
    time::timeout,
};
use tower_multiserver::{
    Address, Identity, PeerId, Seed,
    ragep2p::{Host, Limits, RateLimit, Stream, Version},
};

use super::lab::{Map, numbered, socket};
use crate::harness::RagePeer;

/// Starts it.
pub(super) fn start() -> RagePeer {
    RagePeer::ours("rage::obedient::obeys")
}

/// Not a test: what [`start`] runs.
#[tokio::test]
#[ignore = "it obeys commands on stdin until it is closed"]
async fn obeys() {
    // Behind what the test runner says.
    println!();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let peer = Arc::new(Obedient::default());
    while let Ok(Some(line)) = lines.next_line().await {
        let command: Value = serde_json::from_str(&line).expect("it is JSON");
        let peer = peer.clone();
        tokio::spawn(async move {
            let mut answer = peer.obey(&command).await;
            answer["id"] = command["id"].clone();
            println!("{answer}");
            std::io::stdout().flush().expect("stdout is open");
        });
    }
    // The runner waits for the reader of stdin otherwise.
    std::process::exit(0);
}

#[derive(Default)]
struct Obedient {
    hosts: Mutex<HashMap<u64, (Host, Map)>>,
    streams: Mutex<HashMap<u64, Handle>>,
}

/// A stream, which a task of its own reads.
#[derive(Clone)]
struct Handle {
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    tally: watch::Receiver<Tally>,
}

/// What a stream has received.
#[derive(Clone, Default)]
struct Tally {
    counters: Vec<u64>,
    seen: HashSet<u64>,
    /// The first message that is altered, comes twice, or behind a later one.
    wrong: Option<String>,
}

impl Obedient {
    async fn obey(&self, command: &Value) -> Value {
        let id = command["id"].as_u64().expect("a number");
        match command["do"].as_str().expect("a command") {
            "host" => self.host(id, command).await,
            "addresses" => self.addresses(command),
            "stream" => self.stream(id, command),
            "send" => self.send(command),
            "wait" => self.wait(command).await,
            "stats" => self.handle(command).told(0),
            other => {
                json!({ "event": "failed", "message": format!("there is no command {other}") })
            }
        }
    }

    async fn host(&self, id: u64, command: &Value) -> Value {
        let seed = hex::decode(command["seed"].as_str().unwrap()).unwrap();
        let identity = Identity::from_seed(&Seed::from_bytes(seed.try_into().unwrap()));
        let map = Map::default();
        learn(&map, &command["discover"]["static"]);
        let listen = command["listen"][0].as_str().unwrap_or("127.0.0.1:0");
        let host = Host::builder(identity)
            .listen(&*format!("net:{listen}"))
            .expect("an address")
            .discover(map.clone())
            .version(match command["version"].as_str().unwrap() {
                "ours v2" => Version::V2,
                _ => Version::V1,
            })
            .dial_interval(millis(&command["dialMillis"], 100))
            .start()
            .await
            .expect("it starts");
        let answer =
            json!({ "host": id, "peer": host.id().to_string(), "addresses": [socket(&host)] });
        self.hosts.lock().unwrap().insert(id, (host, map));
        answer
    }

    fn addresses(&self, command: &Value) -> Value {
        let hosts = self.hosts.lock().unwrap();
        learn(
            &hosts[&command["host"].as_u64().unwrap()].1,
            &command["addresses"],
        );
        json!({})
    }

    fn stream(&self, id: u64, command: &Value) -> Value {
        let peer: PeerId = command["peer"]
            .as_str()
            .unwrap()
            .parse()
            .expect("a peer id");
        let hosts = self.hosts.lock().unwrap();
        let host = &hosts[&command["host"].as_u64().unwrap()].0;
        let stream = host.stream(peer, command["name"].as_str().unwrap());
        let stream = stream.limits(limits(command)).open().expect("it opens");
        let (outgoing, messages) = mpsc::unbounded_channel();
        let (tallies, tally) = watch::channel(Tally::default());
        tokio::spawn(run(stream, messages, tallies, command["mode"] == "echo"));
        self.streams
            .lock()
            .unwrap()
            .insert(id, Handle { outgoing, tally });
        json!({ "stream": id })
    }

    fn send(&self, command: &Value) -> Value {
        let handle = self.handle(command);
        let first = command["from"].as_u64().expect("a number");
        let size = command["size"].as_u64().unwrap_or(8) as usize;
        for number in first..first + command["count"].as_u64().unwrap_or(1) {
            handle
                .outgoing
                .send(numbered(number, size))
                .expect("the stream is open");
        }
        json!({})
    }

    async fn wait(&self, command: &Value) -> Value {
        let mut handle = self.handle(command);
        let count = command["count"].as_u64().expect("a number");
        let reached = handle
            .tally
            .wait_for(|tally| tally.counters.len() as u64 >= count);
        // What there is is told either way.
        let _ = timeout(millis(&command["millis"], 10_000), reached).await;
        handle.told(count)
    }

    fn handle(&self, command: &Value) -> Handle {
        let number = command["stream"].as_u64().expect("a number");
        self.streams.lock().unwrap()[&number].clone()
    }
}

impl Handle {
    fn told(&self, count: u64) -> Value {
        let tally = self.tally.borrow();
        let received = tally.counters.len();
        let messages =
            json!({ "count": received, "counters": tally.counters, "wrong": tally.wrong });
        json!({ "reached": received as u64 >= count, "messages": messages })
    }
}

impl Tally {
    fn note(&mut self, message: &[u8]) {
        let number = u64::from_be_bytes(message[..8].try_into().expect("it has a number"));
        let last = self.counters.last().copied();
        let wrong = if message != numbered(number, message.len()) {
            Some("altered")
        } else if !self.seen.insert(number) {
            Some("a second time")
        } else if last > Some(number) {
            Some("too late")
        } else {
            None
        };
        if let (Some(how), None) = (wrong, &self.wrong) {
            self.wrong = Some(format!("{number} came {how}, behind {last:?}"));
        }
        self.counters.push(number);
    }
}

async fn run(
    mut stream: Stream,
    mut messages: mpsc::UnboundedReceiver<Vec<u8>>,
    tallies: watch::Sender<Tally>,
    echoes: bool,
) {
    loop {
        select! {
            message = messages.recv() => {
                let Some(message) = message else { return };
                let _ = stream.send(message);
            }
            message = stream.recv() => {
                let Some(message) = message else { return };
                tallies.send_modify(|tally| tally.note(&message));
                if echoes {
                    let _ = stream.send(message);
                }
            }
        }
    }
}

fn learn(map: &Map, addresses: &Value) {
    for (peer, at) in addresses.as_object().into_iter().flatten() {
        let at = at.as_array().unwrap().iter();
        let at =
            at.map(|at| -> Address { format!("net:{}", at.as_str().unwrap()).parse().unwrap() });
        map.set(peer.parse().expect("a peer id"), at);
    }
}

fn limits(options: &Value) -> Limits {
    let rate = |limit: &Value| {
        let capacity = limit["capacity"].as_u64().unwrap().try_into().unwrap();
        RateLimit::new(limit["rate"].as_f64().unwrap(), capacity)
    };
    let count = |name: &str| options[name].as_u64().unwrap() as usize;
    Limits {
        outgoing: count("outBuf"),
        incoming: count("inBuf"),
        max_message: count("maxMessage"),
        messages: rate(&options["messages"]),
        bytes: rate(&options["bytes"]),
    }
}

fn millis(said: &Value, otherwise: u64) -> Duration {
    Duration::from_millis(said.as_u64().unwrap_or(otherwise))
}
