//! The chat of the README in three terminals, one of them with a program from npm.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::process::Npm;
use crate::harness::{PATIENCE, npm};

const ROOM: &str = "pauls-chat-room";

/// A terminal, and who sits at it.
struct Terminal {
    name: &'static str,
    child: Child,
    keys: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    notes: Lines<BufReader<ChildStderr>>,
}

impl Terminal {
    fn open(name: &'static str, mut command: Command, dht: &[String]) -> Self {
        command.args([ROOM, "--name", name]);
        for node in dht {
            command.args(["--bootstrap", node]);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("it starts");
        Self {
            name,
            keys: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            notes: BufReader::new(child.stderr.take().expect("it is piped")).lines(),
            child,
        }
    }

    /// The program of this package.
    fn ours(name: &'static str, dht: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multiserver"));
        command.args(["swarm", "join"]);
        Self::open(name, command, dht)
    }

    /// The one from npm.
    fn theirs(name: &'static str, dht: &[String], modules: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("node");
        command
            .arg(root.join("examples/swarm_chat.js"))
            .env("NODE_PATH", modules);
        Self::open(name, command, dht)
    }

    async fn note(&mut self) -> String {
        let note = timeout(PATIENCE, self.notes.next_line()).await;
        let note = note.unwrap_or_else(|_| panic!("{} hears of nobody", self.name));
        note.expect("stderr is text").expect("it goes on")
    }

    /// Waits until these are there.
    async fn sees(&mut self, others: &[&str]) {
        let others: BTreeSet<_> = others.iter().map(|name| (*name).to_owned()).collect();
        let mut there = BTreeSet::new();
        while there != others {
            let note = self.note().await;
            let Some((name, rest)) = note.split_once(' ') else {
                continue;
            };
            if rest.starts_with("joined") {
                there.insert(name.to_owned());
            } else if rest.starts_with("left") {
                there.remove(name);
            }
        }
    }

    async fn types(&mut self, line: &str) {
        let keys = self.keys.as_mut().expect("not ended");
        let line = format!("{line}\n");
        keys.write_all(line.as_bytes()).await.expect("it is read");
    }

    /// The next lines, in whichever order.
    async fn hears(&mut self, expected: &[&str]) {
        let mut heard = BTreeSet::new();
        for _ in expected {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{} heard only {heard:?}", self.name));
            heard.insert(line.expect("stdout is text").expect("it goes on"));
        }
        let expected: BTreeSet<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(heard, expected, "{}", self.name);
    }

    /// Ends its input, which ends it.
    async fn leaves(mut self) {
        self.keys = None;
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        assert!(status.expect("it ended").success(), "{}", self.name);
    }
}

#[tokio::test]
async fn three_terminals_see_each_others_lines_and_names() {
    let (Some(mut npm), Some(modules)) = (Npm::start(), npm::modules()) else {
        return;
    };
    let dht = npm.testnet().await;
    let mut alice = Terminal::ours("alice", &dht);
    let mut bob = Terminal::ours("bob", &dht);
    let mut carol = Terminal::theirs("carol", &dht, modules);
    alice.sees(&["bob", "carol"]).await;
    bob.sees(&["alice", "carol"]).await;
    carol.sees(&["alice", "bob"]).await;

    alice.types("hello, both").await;
    bob.types("hi\u{1b}[31m").await;
    carol.types("हैलो").await;
    alice.hears(&[r"bob: hi\u{1b}[31m", "carol: हैलो"]).await;
    bob.hears(&["alice: hello, both", "carol: हैलो"]).await;
    carol
        .hears(&["alice: hello, both", r"bob: hi\u{1b}[31m"])
        .await;

    // What was typed last is heard, from either.
    carol.types("bye").await;
    carol.leaves().await;
    alice.hears(&["carol: bye"]).await;
    bob.hears(&["carol: bye"]).await;
    let mut dave = Terminal::theirs("dave", &dht, modules);
    dave.sees(&["alice", "bob"]).await;
    bob.types("good night").await;
    bob.leaves().await;
    dave.hears(&["bob: good night"]).await;
}
