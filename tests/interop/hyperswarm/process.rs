//! A process with npm hyperswarm in it, told what to do line by line.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::harness::{PATIENCE, npm};

/// The process. It ends with this value.
pub(super) struct Npm {
    child: Child,
    commands: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    unread: Vec<Value>,
    last: u64,
    /// The nodes to ask first.
    dht: Vec<String>,
}

impl Npm {
    /// Starts one; `None` when the test is to be skipped.
    pub(super) fn start() -> Option<Self> {
        let mut child = Command::new("node")
            .arg(npm::sources().join("hyperswarm.js"))
            .env("NODE_PATH", npm::modules()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node ran a moment ago");
        Some(Self {
            commands: child.stdin.take().expect("it is piped"),
            events: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            child,
            unread: Vec::new(),
            last: 0,
            dht: Vec::new(),
        })
    }

    /// Makes a DHT of its own; its nodes to ask first.
    pub(super) async fn testnet(&mut self) -> Vec<String> {
        let job = self.tell("testnet", json!({})).await;
        let ready = self.event(job, "ready").await;
        let nodes = serde_json::from_value(ready["bootstrap"].clone());
        self.dht = nodes.expect("a list of strings");
        self.dht.clone()
    }

    /// Uses the DHT of another.
    pub(super) async fn join_dht(&mut self, nodes: &[String]) {
        let job = self.tell("use", json!({ "nodes": nodes })).await;
        self.event(job, "ready").await;
        self.dht = nodes.to_vec();
    }

    /// Another process, on the same DHT.
    pub(super) async fn beside(&self) -> Self {
        let mut other = Self::start().expect("the first one started");
        other.join_dht(&self.dht).await;
        other
    }

    /// Gives a command, whose events can be waited for.
    pub(super) async fn tell(&mut self, act: &str, mut options: Value) -> u64 {
        self.last += 1;
        options["id"] = json!(self.last);
        options["do"] = json!(act);
        let line = format!("{options}\n");
        let sent = self.commands.write_all(line.as_bytes()).await;
        sent.expect("stdin of the process is open");
        self.last
    }

    /// The next event of this name that belongs to a command.
    pub(super) async fn event(&mut self, job: u64, name: &str) -> Value {
        self.event_of(job, &[name]).await
    }

    /// The next event of any of these names that belongs to a command.
    pub(super) async fn event_of(&mut self, job: u64, names: &[&str]) -> Value {
        let wanted = |event: &Value| {
            let name = event["event"].as_str().expect("events have names");
            event["id"] == job && names.contains(&name)
        };
        if let Some(at) = self.unread.iter().position(wanted) {
            return self.unread.remove(at);
        }
        loop {
            let event = self.next(names).await;
            if wanted(&event) {
                return event;
            }
            self.unread.push(event);
        }
    }

    async fn next(&mut self, wanted: &[&str]) -> Value {
        let line = timeout(PATIENCE, self.events.next_line())
            .await
            .unwrap_or_else(|_| panic!("no {wanted:?} in time, but {:?}", self.unread))
            .expect("stdout of the process is read")
            .unwrap_or_else(|| panic!("the process is gone: {:?}", self.unread));
        let event: Value = serde_json::from_str(&line).expect("its lines are JSON");
        assert_ne!(event["event"], "crash", "{event}");
        event
    }

    /// Kills it, and waits until it is dead.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }
}
