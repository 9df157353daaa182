//! A process with the JavaScript multiserver in it, told what to do line by line.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{keys, npm, tls};

/// How long anything may take before the test has failed: far more than all of it needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The process. It ends with this value, and with our own process, since its stdin closes then.
pub(crate) struct Peer {
    _child: Child,
    commands: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    unread: Vec<Value>,
    last: u64,
}

/// A command that was given, whose events can be waited for.
#[derive(Clone, Copy)]
pub(crate) struct Job(u64);

impl Peer {
    /// Starts one; `None` when the test is to be skipped.
    pub(crate) fn start() -> Option<Self> {
        Self::start_trusting(Some(&tls::files().authority))
    }

    /// Starts one that trusts this authority, a PEM file, beside its own.
    pub(crate) fn start_trusting(authority: Option<&Path>) -> Option<Self> {
        let modules = npm::modules()?;
        let authority = authority.map(|path| ("NODE_EXTRA_CA_CERTS", path));
        let mut child = Command::new("node")
            .arg(npm::sources().join("peer.js"))
            .env("NODE_PATH", modules)
            .env_remove("NODE_EXTRA_CA_CERTS")
            .envs(authority)
            // Old packages, deprecated calls: nothing that a reader of our tests could do anything about.
            .env("NODE_NO_WARNINGS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node ran a moment ago");
        Some(Self {
            commands: child.stdin.take().expect("it is piped"),
            events: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            _child: child,
            unread: Vec::new(),
            last: 0,
        })
    }

    /// Serves `stack` (`net~shs`); the address to dial comes back.
    pub(crate) async fn serve(&mut self, stack: &str, options: Value) -> (Job, String) {
        let job = self.command("serve", stack, options).await;
        let listening = self.event(job, "listening").await;
        (job, text(&listening["addresses"][0]).to_owned())
    }

    /// Dials `address` with `stack`, and nothing else.
    pub(crate) async fn dial(&mut self, stack: &str, address: &str, mut options: Value) -> Job {
        options["address"] = json!(address);
        self.command("dial", stack, options).await
    }

    /// The next event of this name that belongs to `job`. Panics when the process died, the job failed for another
    /// reason, or nothing came in time.
    pub(crate) async fn event(&mut self, job: Job, name: &str) -> Value {
        let wanted = |event: &Value| event["id"] == job.0 && event["event"] == name;
        if let Some(at) = self.unread.iter().position(wanted) {
            return self.unread.remove(at);
        }
        loop {
            let line = timeout(PATIENCE, self.events.next_line())
                .await
                .unwrap_or_else(|_| panic!("no {name} in time, but {:?}", self.unread))
                .expect("stdout of the JavaScript peer is read")
                .unwrap_or_else(|| panic!("the JavaScript peer is gone: {:?}", self.unread));
            let event: Value = serde_json::from_str(&line).expect("its lines are JSON");
            assert_ne!(event["event"], "crash", "the JavaScript peer died: {event}");
            if wanted(&event) {
                return event;
            }
            let failed = event["id"] == job.0 && event["event"] == "failed";
            assert!(!failed, "no {name}, but {event}");
            self.unread.push(event);
        }
    }

    async fn command(&mut self, act: &str, stack: &str, mut options: Value) -> Job {
        self.last += 1;
        let defaults = [
            ("appKey", keys::base64("TEST")),
            ("seed", json!(*keys::theirs().seed().to_base64())),
        ];
        let tls = tls::files();
        options["tls"] = json!({ "cert": tls.chain, "key": tls.key });
        for (name, value) in defaults {
            if options[name].is_null() {
                options[name] = value;
            }
        }
        options["id"] = json!(self.last);
        options["do"] = json!(act);
        options["plugins"] = json!([stack]);
        let line = format!("{options}\n");
        let sent = self.commands.write_all(line.as_bytes()).await;
        sent.expect("stdin of the JavaScript peer is open");
        Job(self.last)
    }
}

/// The string in `value`.
pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
}
