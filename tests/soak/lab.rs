//! A server at a distance, and what it takes.

use std::{
    fmt, fs,
    process::Stdio,
    time::{Duration, Instant},
};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use tower_multiserver::MultiServer;

use crate::{
    server::{self, client},
    support::HANG,
};

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Keeps the other tests waiting, which take descriptors of this process and time of this machine.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// How many, in a check and in the large form.
pub(crate) fn sized(small: usize, large: usize) -> usize {
    match std::env::var("MULTISERVER_SOAK").as_deref() {
        Ok("large") => large,
        _ => small,
    }
}

/// How many at once.
pub(crate) fn crowd_of(small: usize, large: usize) -> usize {
    sized(small, large).min(descriptors_allowed() - 100)
}

/// `ulimit -n`, which bounds a crowd in this process as well as the server's.
fn descriptors_allowed() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("Linux tells them");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line
        .expect("one")
        .split_whitespace()
        .nth(3)
        .expect("a limit");
    soft.parse().unwrap_or(usize::MAX)
}

/// A line for the table of what was measured.
pub(crate) fn measured(what: &str, figures: fmt::Arguments<'_>) {
    println!("measured soak\t{what}\t{figures}");
}

/// The process of a server of [`server`], and a client who may come in.
pub(crate) struct Server {
    process: Child,
    ask: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
    pub(crate) client: MultiServer,
    pub(crate) certificate: CertificateDer<'static>,
    _alone: MutexGuard<'static, ()>,
}

/// What it holds by its own count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// On the heap.
    pub(crate) bytes: usize,
    pub(crate) tasks: usize,
}

impl Server {
    /// A server at this address with places for so many handshakes, each of which may take so long.
    pub(crate) async fn start(address: &str, handshakes: usize, patience: Duration) -> Self {
        let alone = alone().await;
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let issued = issued.expect("a certificate");
        let certificate = issued.cert.pem();
        let test = "server::a_server_in_a_process_of_its_own";
        let mut process = Command::new(std::env::current_exe().expect("it runs"))
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(server::ADDRESS, address)
            .env(server::MAX_HANDSHAKES, handshakes.to_string())
            .env(server::PATIENCE, patience.as_secs().to_string())
            .env(server::CERTIFICATE, &certificate)
            .env(server::CERTIFICATE_KEY, issued.signing_key.serialize_pem())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let told = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut server = Self {
            ask: process.stdin.take().expect("piped"),
            process,
            told,
            address: String::new(),
            client: client("alice", &certificate),
            certificate: issued.cert.der().clone(),
            _alone: alone,
        };
        server.address = server.hear(server::AT).await;
        // What is made once is made now.
        server.round_trip().await;
        server.when(|held| held.tasks == 0).await;
        server
    }

    /// `HOST:PORT`.
    pub(crate) fn socket(&self) -> &str {
        let transport = self.transport();
        let socket = transport.split_once(':').expect("arguments").1;
        socket.trim_start_matches('/')
    }

    /// The first section of its address.
    pub(crate) fn transport(&self) -> &str {
        self.address.split('~').next().expect("a transport")
    }

    async fn hear(&mut self, beginning: &str) -> String {
        let hear = async {
            loop {
                let line = self.told.next_line().await.expect("text");
                let line = line.expect("it runs");
                if let Some(told) = line.strip_prefix(beginning) {
                    break told.to_owned();
                }
            }
        };
        timeout(HANG, hear).await.expect("it speaks")
    }

    pub(crate) async fn held(&mut self) -> Held {
        self.ask.write_all(b"\n").await.expect("it listens");
        let told = self.hear(server::HOLDS).await;
        let (bytes, tasks) = told.split_once(' ').expect("two figures");
        let number = |text: &str| text.parse().expect("a number");
        Held {
            bytes: number(bytes),
            tasks: number(tasks),
        }
    }

    /// What it holds as soon as that fits.
    pub(crate) async fn when(&mut self, fits: impl Fn(Held) -> bool) -> Held {
        let start = Instant::now();
        loop {
            let held = self.held().await;
            if fits(held) {
                return held;
            }
            assert!(start.elapsed() < HANG, "still {held:?}");
        }
    }

    /// A good peer dials, is echoed and leaves.
    pub(crate) async fn round_trip(&self) {
        let visit = async {
            let dialed = self.client.dial(self.address.as_str()).await;
            let mut peer = dialed.expect("dialed");
            peer.write_all(b"hello").await.expect("sent");
            peer.flush().await.expect("sent");
            peer.read_exact(&mut [0; 5]).await.expect("an echo");
        };
        timeout(HANG, visit).await.expect("no hang");
    }

    /// The time of a good peer: of so many, one after the other, that of the fastest quarter's last, since other programs
    /// run on this machine too.
    pub(crate) async fn visit(&self, count: usize) -> Duration {
        let mut times = Vec::new();
        for _ in 0..count {
            let start = Instant::now();
            self.round_trip().await;
            times.push(start.elapsed());
        }
        times.sort();
        times[count / 4]
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("readable").count()
    }

    /// Resident, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// The most that was resident, in bytes.
    pub(crate) fn peak(&self) -> usize {
        self.status("VmHWM:")
    }

    fn status(&self, of: &str) -> usize {
        let status = fs::read_to_string(self.proc("status")).expect("readable");
        let line = status.lines().find_map(|line| line.strip_prefix(of));
        let kib = line.expect("a figure").trim().trim_end_matches(" kB");
        kib.parse::<usize>().expect("a number") * KIB
    }

    /// Time on a processor, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).expect("readable");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let fields: Vec<_> = fields.split_whitespace().collect();
        let number = |at: usize| fields[at].parse::<u64>().expect("a number");
        number(11) + number(12)
    }

    fn proc(&self, of: &str) -> String {
        format!("/proc/{}/{of}", self.process.id().expect("it runs"))
    }
}
