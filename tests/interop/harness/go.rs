//! A process with the protocol of `noise` in Go.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{PATIENCE, keys, npm};

/// The process, which makes one connection. It ends with this value.
pub(crate) struct Go {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Go {
    /// What the program prints with these arguments; `None` when the test is to be skipped.
    pub(crate) fn output(args: &[&str]) -> Option<String> {
        let program = program()?.display().to_string();
        Some(npm::output(&program, args, Path::new(".")).expect("the Go peer runs"))
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
        let program = program()?;
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

/// The program, built when it is not yet. `None` when that cannot be, and the test is to be skipped.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PROGRAM.get_or_init(build) {
        Ok(path) => Some(path),
        Err(reason) => npm::skip(reason),
    }
}

/// Builds it in the target directory, one process at a time. What `go.sum` names is all that may be downloaded, once.
fn build() -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/go-noise");
    // Where the installer of golang.org puts it, for shells that do not look there.
    let go = ["go", "/usr/local/go/bin/go"]
        .into_iter()
        .find(|go| npm::output(go, &["version"], &sources).is_ok())
        .ok_or("`go` cannot be run")?;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-go-noise");
    let fail = |error: std::io::Error| format!("{} cannot be prepared: {error}", place.display());
    fs::create_dir_all(&place).map_err(fail)?;
    let guard = File::create(place.join("lock")).map_err(fail)?;
    guard.lock().map_err(fail)?;
    let program = place.join("peer");
    let path = program.display().to_string();
    npm::output(go, &["build", "-o", &path, "."], &sources)?;
    Ok(program)
}
