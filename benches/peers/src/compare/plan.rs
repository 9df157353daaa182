//! What is measured, and how much of it.

use std::{env, path::PathBuf, process::Command};

use crate::{Result, parts::Parts, stacks, work::Work};

use super::{Options, javascript};

/// What is measured.
pub(crate) struct Plan {
    program: PathBuf,
    certificate: String,
    runs: Vec<(&'static str, &'static str, Work)>,
    has_parts: bool,
}

pub(crate) const BULK: &str = "bulk";
pub(crate) const HANDSHAKE: &str = "handshake";
pub(crate) const HANDSHAKES: &str = "64 handshakes";
pub(crate) const PING: &str = "ping";
pub(crate) const IDLE: &str = "idle";
pub(crate) const CROWD: &str = "crowd";

impl Plan {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let is_wanted = |name: &str, stack: &str| {
            let holds = |only: &String| name.contains(only.as_str()) || stack == only;
            options.only.is_empty() || options.only.iter().any(holds)
        };
        let runs = works(options.quick)
            .into_iter()
            .filter(|(name, stack, _)| is_wanted(name, stack))
            .collect();
        Ok(Self {
            program: env::current_exe()?,
            certificate: stacks::certificate()?,
            runs,
            has_parts: is_wanted("parts", ""),
        })
    }

    /// Whether parts are measured.
    pub(crate) fn has_parts(&self) -> bool {
        self.has_parts
    }

    /// Measures them, in a process of their own.
    pub(crate) fn parts(&self) -> Result<Parts> {
        let output = Command::new(&self.program).arg("parts").output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What is run in this round. Some works say in one round all that they have to say.
    pub(crate) fn runs(
        &self,
        round: usize,
    ) -> impl Iterator<Item = (&'static str, &'static str, Work)> {
        let runs = self.runs.iter().copied();
        runs.filter(move |(.., work)| round == 1 || !matches!(work, Work::Idle { .. }))
    }

    /// The program that speaks that stack.
    pub(crate) fn command(&self, stack: &str) -> Result<Command> {
        if stack.starts_with("js ") {
            return javascript::command(&self.program);
        }
        let program = match stack.ends_with(DALEK) {
            true => &self.program.with_file_name("multiserver-peers-dalek"),
            false => &self.program,
        };
        let mut command = Command::new(program);
        command.env(stacks::CERTIFICATE, &self.certificate);
        Ok(command)
    }
}

fn works(quick: bool) -> Vec<(&'static str, &'static str, Work)> {
    let part = if quick { 8 } else { 1 };
    let mut works = Vec::new();
    for stack in ALL.into_iter().chain(MESSAGES) {
        // Not less of the slow one in a hurry: it becomes faster as it runs.
        let bytes = if is_slow(stack) {
            128 << 20
        } else {
            (1 << 30) / part
        };
        works.push((BULK, stack, Work::Bulk { bytes }));
    }
    for stack in SECURE {
        let count = 400 / part;
        works.push((HANDSHAKE, stack, Work::Handshakes { count, at_once: 1 }));
    }
    for stack in SECURE {
        let count = if is_slow(stack) { 1000 } else { 3000 } / part;
        works.push((HANDSHAKES, stack, Work::Handshakes { count, at_once: 64 }));
    }
    for stack in ALL.into_iter().chain(MESSAGES) {
        let count = if is_slow(stack) { 4000 } else { 20_000 } / part;
        works.push((PING, stack, Work::Ping { count }));
    }
    for stack in ALL {
        let count = 2000 / part;
        works.push((IDLE, stack, Work::Idle { count }));
    }
    for stack in ["tcp", "net~shs"] {
        let count = 10_000 / part;
        works.push((CROWD, stack, Work::Idle { count }));
    }
    works
}

/// Of which less is enough.
fn is_slow(stack: &str) -> bool {
    stack == "js net~shs"
}

const ALL: [&str; 17] = [
    "tcp",
    "net~shs",
    "net~noauth",
    "net~noise",
    "tls chacha ring",
    "tls chacha aws-lc",
    "tls aes ring",
    "tls aes aws-lc",
    "ws~shs",
    "ws~noauth",
    "unix",
    "unix~noauth",
    "libp2p",
    "tungstenite",
    "fastwebsockets",
    "js net~shs",
    "js net~noauth",
];

/// Those of which the bytes above are messages.
const MESSAGES: [&str; 2] = ["net~shs, PeerSocket", "net~shs, BareSocket"];

/// Ends the name of a stack of ours that is run by the program without graviola.
const DALEK: &str = ", dalek";

const SECURE: [&str; 9] = [
    "tcp",
    "net~shs",
    "net~shs, dalek",
    "net~noise",
    "tls aes ring",
    "tls aes aws-lc",
    "tls",
    "libp2p",
    "js net~shs",
];
