//! A process with the protocol of `noise` in Go.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{PATIENCE, golang::Program, keys};

const PROGRAM: Program = Program {
    module: "go-noise",
    optional: None,
};

/// The process, which makes one connection. It ends with this value.
pub(crate) struct Go {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Go {
    /// What the program prints with these arguments; `None` when the test is to be skipped.
    pub(crate) fn output(args: &[&str]) -> Option<String> {
        PROGRAM.output(args)
    }

    /// Listens on loopback, and tells at which address.
    pub(crate) async fn listen(options: Value) -> Option<(Self, String)> {
        let mut go = Self::start(&["listen"], options)?;
        let listening = go.event().await;
        Some((go, super::text(&listening["address"]).to_owned()))
    }

    /// Dials `address`, `127.0.0.1:8008`.
    pub(crate) fn dial(address: &str, options: Value) -> Option<Self> {
        Self::start(&["dial", address], options)
    }

    /// What it says when it is done.
    pub(crate) async fn event(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("it answers in time").expect("it is read");
        let line = line.expect("the Go peer says what it has done");
        serde_json::from_str(&line).expect("its lines are JSON")
    }

    fn start(args: &[&str], mut options: Value) -> Option<Self> {
        let program = PROGRAM.path()?;
        let defaults = [
            ("appKey", hex::encode(keys::app_key().as_bytes())),
            ("seed", hex::encode(keys::theirs().seed().as_bytes())),
            ("server", hex::encode(keys::ours().public_key().as_bytes())),
        ];
        for (name, value) in defaults {
            if options[name].is_null() {
                options[name] = json!(value);
            }
        }
        let mut child = Command::new(program)
            .args(args)
            .arg(options.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it was built a moment ago");
        let stdout = child.stdout.take().expect("it is piped");
        Some(Self {
            _child: child,
            lines: BufReader::new(stdout).lines(),
        })
    }
}
