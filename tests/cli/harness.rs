//! The program as a child process, and what it tells.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::{Duration, timeout},
};

/// Long enough that only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// The program while it runs. It is killed with this value.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) stdout: ChildStdout,
    stderr: Lines<BufReader<ChildStderr>>,
    /// All lines of stderr so far.
    pub(crate) told: Vec<String>,
}

/// How the program ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What was not read of stdout before.
    pub(crate) stdout: Vec<u8>,
    /// All lines of stderr.
    pub(crate) told: Vec<String>,
}

impl Program {
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_multiserver"))
            .args(args)
            // It speaks for peers, and nobody else may.
            .env("MULTISERVER_REMOTE", "an impostor")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("it is piped");
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().expect("it is piped"),
            stderr: BufReader::new(stderr).lines(),
            child,
            told: Vec::new(),
        }
    }

    /// `listen ADDRESS --json`, with more arguments; and the first address to dial.
    pub(crate) async fn listen(address: &str, args: &[&str]) -> (Self, String) {
        let mut program = Self::start([&["listen", address, "--json"], args].concat());
        let listening = program.event("listening").await;
        let address = listening["address"].as_str().expect("a text").to_owned();
        (program, address)
    }

    /// `connect ADDRESS --json`, with more arguments.
    pub(crate) fn connect(address: &str, args: &[&str]) -> Self {
        Self::start([&["connect", address, "--json"], args].concat())
    }

    /// Writes to stdin.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("not ended yet");
        let sent = async {
            stdin.write_all(bytes).await?;
            stdin.flush().await
        };
        let sent = timeout(HANG, sent).await;
        sent.expect("a hang").expect("stdin is read");
    }

    /// Ends stdin.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Reads exactly this many bytes of stdout.
    pub(crate) async fn receive(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let received = timeout(HANG, self.stdout.read_exact(&mut bytes)).await;
        received.expect("a hang").expect("enough on stdout");
        bytes
    }

    /// The next line of stderr.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = timeout(HANG, self.stderr.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("a hang after {:?}", self.told));
        let line = line.expect("stderr is text")?;
        self.told.push(line.clone());
        Some(line)
    }

    /// The next event of this name; others are passed over. Every line is an event.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let line = self.line().await;
            let line = line.unwrap_or_else(|| panic!("no {name}, but {:?}", self.told));
            let event = event(&line);
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id])
            .status();
        assert!(kill.await.expect("sh runs").success());
    }

    /// Closes our end of its stdout. Its stdin stays open; its stderr comes when it has ended.
    pub(crate) fn without_stdout(self) -> (Child, impl Future<Output = String>) {
        let Self {
            mut child,
            stdin,
            mut stderr,
            told,
            ..
        } = self;
        child.stdin = stdin;
        let told = async move {
            let mut told = told.join("\n");
            while let Ok(Some(line)) = stderr.next_line().await {
                told.push_str(&line);
            }
            told
        };
        (child, told)
    }

    /// Waits for the end, and reads nothing before.
    pub(crate) async fn exit(&mut self) -> Option<i32> {
        let status = timeout(HANG, self.child.wait()).await.expect("a hang");
        status.expect("it ended").code()
    }

    /// Ends stdin, then waits for the end.
    pub(crate) async fn end(mut self) -> Ended {
        self.end_input();
        let mut stdout = Vec::new();
        let Self {
            stdout: output,
            stderr,
            told,
            child,
            ..
        } = &mut self;
        let read_stdout = output.read_to_end(&mut stdout);
        let read_stderr = async {
            while let Ok(Some(line)) = stderr.next_line().await {
                told.push(line);
            }
        };
        let ended = async { tokio::join!(read_stdout, read_stderr, child.wait()) };
        let (read, (), status) = timeout(HANG, ended).await.expect("a hang");
        read.expect("stdout is read");
        Ended {
            code: status.expect("it ended").code(),
            stdout,
            told: self.told,
        }
    }
}

impl Ended {
    /// The only error event.
    pub(crate) fn error(&self) -> Value {
        let events = self.told.iter().map(|line| event(line));
        let mut errors = events.filter(|event| event["event"] == "error");
        let error = errors.next();
        assert!(errors.next().is_none(), "{:?}", self.told);
        error.unwrap_or_else(|| panic!("no error, but {:?}", self.told))
    }

    /// Stdout as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("UTF-8")
    }
}

/// A line of stderr, with --json.
pub(crate) fn event(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    assert!(event["event"].is_string(), "{line}");
    event
}

/// Runs the program to its end.
pub(crate) async fn run(args: &[&str]) -> Ended {
    Program::start(args).end().await
}

/// `connect ADDRESS --json` with this input, to its end.
pub(crate) async fn connect(address: &str, args: &[&str], input: &[u8]) -> Ended {
    let mut program = Program::connect(address, args);
    // While it writes, since neither side may have room for all of it.
    let stdin = program.stdin.take();
    let feed = async move {
        let mut stdin = stdin.expect("it is piped");
        // It may have ended before it read all.
        let _ = stdin.write_all(input).await;
    };
    tokio::join!(feed, program.end()).1
}

/// A file in a directory of its own.
pub(crate) fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("it can be written");
    (directory, path)
}

/// A new key file, and its id.
pub(crate) async fn key(directory: &TempDir, name: &str) -> (String, String) {
    let path = directory.path().join(name).display().to_string();
    let made = run(&["key", "new", &path]).await;
    assert_eq!(made.code, Some(0), "{:?}", made.told);
    (path, made.text().trim_end().to_owned())
}

/// Bytes that do not repeat soon.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
