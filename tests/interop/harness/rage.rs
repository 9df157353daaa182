//! A process with hosts of ragep2p in it, told what to do line by line.
//!
//! It is a program in Go with hosts of libocr, or this test program with ours. The version of libocr that the module names
//! has the package `ragep2p`, version `v1` here, and not `ragep2p/ragep2pnew`, version `new`. Tests with the latter say on
//! stderr that they are skipped and pass, even with `MULTISERVER_INTEROP=required`; they run when the environment variable
//! `GOWORK` names a workspace with a libocr that has it.

use std::{
    process::{Command as Blocking, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    PATIENCE,
    golang::{Optional, Program},
    npm, text,
};

const PROGRAM: Program = Program {
    module: "go-rage",
    optional: Some(Optional {
        package: "github.com/smartcontractkit/libocr/ragep2p/ragep2pnew",
        with: "modern.go",
        without: "no_modern.go",
    }),
};

/// The process. It ends with this value, and with our own process, since its stdin closes then.
pub(crate) struct RagePeer {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    unread: Vec<Value>,
    last: u64,
}

/// A command that was given, whose answer can be waited for.
#[derive(Clone, Copy)]
pub(crate) struct Job(u64);

/// A host in the process.
pub(crate) struct RageHost {
    /// What other commands call it.
    pub(crate) number: u64,
    /// Its peer id, in base58.
    pub(crate) peer: String,
    /// Where it listens, `127.0.0.1:8008`.
    pub(crate) address: String,
}

impl RagePeer {
    /// What the program prints with these arguments; `None` when the test is to be skipped.
    pub(crate) fn output(args: &[&str]) -> Option<String> {
        PROGRAM.output(args)
    }

    /// Starts one in Go; `None` when the test is to be skipped.
    pub(crate) fn start() -> Option<Self> {
        Some(Self::run(Command::new(PROGRAM.path()?)))
    }

    /// Starts one in Go that has hosts of this version; `None` when the test is to be skipped.
    pub(crate) fn of(version: &str) -> Option<Self> {
        if version == "new" && PROGRAM.lacks()?.is_some() {
            npm::say_skipped(
                "this libocr has no ragep2pnew; a workspace in GOWORK may name one that has",
            );
            return None;
        }
        Self::start()
    }

    /// Starts this test program as one with our hosts: `test` is the name of the test that obeys.
    pub(crate) fn ours(test: &str) -> Self {
        let program = std::env::current_exe().expect("it runs");
        let mut command = Command::new(program);
        command.args([test, "--exact", "--ignored", "--nocapture"]);
        Self::run(command)
    }

    fn run(mut program: Command) -> Self {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program is there");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        // On this thread, so that it is shown with the test that fails. It ends with the process.
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                eprintln!("{line}");
            }
        });
        Self {
            commands: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            child,
            unread: Vec::new(),
            last: 0,
        }
    }

    /// Runs a host of this version, `v1` or `new`, with the key of this seed, in hexadecimal.
    pub(crate) async fn host(&mut self, version: &str, seed: &str, mut options: Value) -> RageHost {
        options["version"] = json!(version);
        options["seed"] = json!(seed);
        let answer = self.done("host", options).await;
        RageHost {
            number: number(&answer["host"]),
            peer: text(&answer["peer"]).to_owned(),
            address: text(&answer["addresses"][0]).to_owned(),
        }
    }

    /// Opens a stream of this name to a peer, by its peer id. What other commands call it comes back.
    pub(crate) async fn stream(
        &mut self,
        host: &RageHost,
        peer: &str,
        name: &str,
        mut options: Value,
    ) -> u64 {
        options["host"] = json!(host.number);
        options["peer"] = json!(peer);
        options["name"] = json!(name);
        number(&self.done("stream", options).await["stream"])
    }

    /// Sends messages on a stream: `count` of them, and of what `size`.
    pub(crate) async fn send(&mut self, stream: u64, mut options: Value) -> Value {
        options["stream"] = json!(stream);
        self.done("send", options).await
    }

    /// Waits until a stream has received `count` of a kind, `messages`, `requests` or `responses`. What it received
    /// comes back.
    pub(crate) async fn wait(&mut self, stream: u64, kind: &str, count: u64) -> Value {
        let options = json!({ "stream": stream, "kind": kind, "count": count, "millis": millis(PATIENCE / 2) });
        let answer = self.done("wait", options).await;
        assert_eq!(answer["reached"], true, "no {count} {kind}, but {answer}");
        answer
    }

    /// What a stream has received so far.
    pub(crate) async fn stats(&mut self, stream: u64) -> Value {
        self.done("stats", json!({ "stream": stream })).await
    }

    /// Gives a command and takes its answer, which must not be a failure.
    pub(crate) async fn done(&mut self, act: &str, options: Value) -> Value {
        let answer = self.ask(act, options).await;
        answer.unwrap_or_else(|message| panic!("{act} fails: {message}"))
    }

    /// Gives a command and takes its answer, or why it failed.
    pub(crate) async fn ask(&mut self, act: &str, options: Value) -> Result<Value, String> {
        let job = self.command(act, options).await;
        self.answer(job).await
    }

    /// Gives a command, whose answer is to be taken later. It runs beside those that are not answered yet.
    pub(crate) async fn command(&mut self, act: &str, mut options: Value) -> Job {
        self.last += 1;
        options["id"] = json!(self.last);
        options["do"] = json!(act);
        let line = format!("{options}\n");
        let sent = self.commands.write_all(line.as_bytes()).await;
        sent.expect("stdin of the peer is open");
        Job(self.last)
    }

    /// The answer to a command, or why it failed.
    pub(crate) async fn answer(&mut self, job: Job) -> Result<Value, String> {
        let wanted = |answer: &Value| answer["id"] == job.0;
        let answer = if let Some(at) = self.unread.iter().position(wanted) {
            self.unread.remove(at)
        } else {
            loop {
                let line = timeout(PATIENCE, self.answers.next_line()).await;
                let line = line.unwrap_or_else(|_| panic!("no answer to {} in time", job.0));
                let line = line.expect("stdout of the peer is read");
                let line = line.expect("the peer runs");
                // A test program says more than the answers.
                let Ok(answer) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                if wanted(&answer) {
                    break answer;
                }
                self.unread.push(answer);
            }
        };
        match &answer["message"] {
            Value::Null => Ok(answer),
            message => Err(text(message).to_owned()),
        }
    }

    /// Of the process, while it runs.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("nobody waited for it")
    }

    /// Sends it this signal, `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let kill = Blocking::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.expect("`kill` runs").success(), "{pid} takes {name}");
    }

    /// Ends it at once: nothing of it can say goodbye.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("it is short")
}
