//! What attacks cost a host: descriptors, memory, and the time of its other peers.
//!
//! Descriptors and memory are those of a process, so the host that is measured has one of its own.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use tower_multiserver::ragep2p::{Host, Limits, MAX_MESSAGE_LEN, Stream, Version};

use super::{raw, support::*};
use crate::lab::{
    Map, PATIENCE, VERSIONS, builder, id, identity, numbered, recv, send, socket, wide,
};

/// What the process of the host is told by, and tells.
const VERSION: &str = "HOSTILE_LOAD_VERSION";
const AT: &str = "the host is at ";

const MIB: u64 = 1 << 20;

/// Bob, who echoes what Alice says, and has a stream to Mallory.
#[tokio::test]
#[ignore = "the process of the host that the other tests here start"]
async fn a_host_in_a_process_of_its_own() {
    let version = match std::env::var(VERSION).as_deref() {
        Ok("V1") => Version::V1,
        Ok("V2") => Version::V2,
        _ => return,
    };
    let host = builder(BOB, &Map::default()).version(version);
    let host = host.start().await.unwrap();
    let limits = Limits {
        max_message: MAX_MESSAGE_LEN,
        ..wide()
    };
    let mallory = host.stream(id(MALLORY), "test").limits(limits);
    let _mallory = mallory.open().unwrap();
    let mut alice = host
        .stream(id(ALICE), "test")
        .limits(wide())
        .open()
        .unwrap();
    println!("\n{AT}{}", socket(&host));
    let mut stdin = tokio::io::stdin();
    let mut end = Vec::new();
    let echo = async {
        loop {
            let message = recv_forever(&mut alice).await;
            send(&mut alice, message).await;
        }
    };
    tokio::select! {
        () = echo => {}
        _ = stdin.read_to_end(&mut end) => {}
    }
}

async fn recv_forever(stream: &mut Stream) -> Vec<u8> {
    stream.recv().await.expect("the host is open").to_vec()
}

/// That process, and Alice here.
struct Far {
    process: Child,
    at: String,
    _alice: Host,
    alices: Stream,
    count: u64,
}

impl Far {
    async fn new(version: Version) -> Self {
        let this = std::env::current_exe().unwrap();
        let test = "hostile::load::a_host_in_a_process_of_its_own";
        let mut process = Command::new(this)
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(VERSION, format!("{version:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let at = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it runs");
                if let Some(at) = line.strip_prefix(AT) {
                    break at.to_owned();
                }
            }
        };
        let at = timeout(PATIENCE, at).await.expect("it starts");
        let alice = alice(&at).await;
        let alices = alice.stream(id(BOB), "test").limits(wide()).open();
        let mut far = Self {
            process,
            at,
            _alice: alice,
            alices: alices.unwrap(),
            count: 0,
        };
        far.round_trip().await;
        far
    }

    async fn round_trip(&mut self) {
        self.count += 1;
        let message = numbered(self.count, 100);
        send(&mut self.alices, message.clone()).await;
        assert_eq!(recv(&mut self.alices).await, message);
    }

    async fn knocked(&self) -> TcpStream {
        let mut socket = TcpStream::connect(&self.at).await.unwrap();
        socket.write_all(&knock()).await.unwrap();
        socket
    }

    async fn attacker(&self) -> Attacker {
        let own = raw::honest(&identity(MALLORY));
        let tls = connect(raw::client(Some(own)), self.knocked().await);
        Attacker(tls.await.unwrap())
    }

    fn proc(&self, of: &str) -> String {
        let process = self.process.id().expect("it runs");
        format!("/proc/{process}/{of}")
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Resident, in bytes.
    fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that was resident, in bytes.
    fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// What it may write to, touched or not, in bytes.
    fn taken(&self) -> u64 {
        self.status("VmData:")
    }

    fn status(&self, of: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(of));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() << 10
    }
}

/// Four hundred each that say nothing, that knock, and that begin TLS.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_thousand_that_do_not_finish_cost_few_descriptors_and_little_memory() {
    let mut far = Far::new(Version::V1).await;
    let (descriptors, memory) = (far.descriptors(), far.memory());
    let mut sockets = Vec::new();
    let knock = knock();
    let hello = [&knock[..], b"\x16\x03\x01\x02\x00\x01"].concat();
    let mut most = 0;
    for number in 0..1200 {
        let mut socket = TcpStream::connect(&far.at).await.unwrap();
        let said = [&b""[..], &knock, &hello][number % 3];
        let _ = socket.write_all(said).await;
        sockets.push(socket);
        if number % 50 == 0 {
            far.round_trip().await;
            most = most.max(far.descriptors());
        }
    }
    far.round_trip().await;
    most = most.max(far.descriptors());
    assert!(most <= descriptors + 64, "{most} after {descriptors}");
    let grown = far.peak().saturating_sub(memory);
    assert!(grown <= 64 * MIB, "{grown} bytes");
    // Who comes now is let in: the oldest goes.
    let mut late = far.attacker().await;
    assert_eq!(late.read().await.unwrap().0, OPEN);
    far.round_trip().await;
}

/// Memory is taken as bytes come, not as they are announced.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_gibibyte_that_is_announced_costs_nothing_until_it_comes() {
    for version in VERSIONS {
        let mut far = Far::new(version).await;
        let taken = far.taken();
        let mut attacker = far.attacker().await;
        attacker.write(open("test")).await;
        attacker
            .write(header(MESSAGE, b"test", MAX_MESSAGE_LEN as u32))
            .await;
        // What comes of it.
        attacker.write(vec![0; 300_000]).await;
        far.round_trip().await;
        assert!(attacker.is_up().await);
        let grown = far.taken().saturating_sub(taken);
        assert!(grown <= 64 * MIB, "{grown} bytes");
    }
}

/// What is refused is not kept while it is read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_passed_over_takes_no_memory() {
    let mut far = Far::new(Version::V2).await;
    let memory = far.peak();
    let mut attacker = far.attacker().await;
    attacker.write(header(MESSAGE, b"no such", 100 << 20)).await;
    let part = vec![0; 1 << 20];
    for _ in 0..100 {
        assert!(attacker.write(&part).await);
    }
    // All but what buffers of sockets hold has been read.
    far.round_trip().await;
    let grown = far.peak().saturating_sub(memory);
    assert!(grown <= 16 * MIB, "{grown} bytes");
}

#[tokio::test]
async fn a_message_that_does_not_come_holds_up_neither_others_nor_the_close() {
    for version in VERSIONS {
        let mut target = Target::new(version).await;
        let mut attacker = target.attacker().await;
        attacker.write(data("test", "first")).await;
        attacker.write(header(MESSAGE, b"test", 1 << 20)).await;
        attacker.write(vec![0; 900_000]).await;
        target.hears("first").await;
        target.good.round_trip().await;
        // It may idle.
        assert!(attacker.is_up().await);
        assert!(closes_without_a_deadline(&target.host).await);
        attacker.ended().await;
    }
}

/// Real time, since a paused clock would run ahead of the sockets: five seconds.
#[tokio::test]
async fn a_peer_that_never_reads_is_cut_off_and_delays_nobody() {
    let mut target = Target::new(Version::V1).await;
    let mut attacker = target.attacker().await;
    attacker.write(open("test")).await;
    attacker.write(data("test", "begin")).await;
    target.hears("begin").await;
    const ROUNDS: u32 = 100;
    let control = Instant::now();
    for _ in 0..ROUNDS {
        target.good.round_trip().await;
    }
    let control = control.elapsed();

    // Far more than all buffers on the way hold.
    let start = Instant::now();
    for _ in 0..64 {
        let _ = target.stream.send(vec![0; 1 << 20]).unwrap();
    }
    let mut slowest = Duration::ZERO;
    // Its own words go through until it is cut off.
    while attacker.write(data("no such", "x")).await {
        let round = Instant::now();
        for _ in 0..ROUNDS {
            target.good.round_trip().await;
        }
        slowest = slowest.max(round.elapsed());
    }
    let elapsed = start.elapsed();
    assert!(elapsed > Duration::from_millis(4500), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(15), "{elapsed:?}");
    // It is far from waiting for the attacker.
    let bound = 20 * control + Duration::from_millis(500);
    assert!(slowest < bound, "{slowest:?}, alone {control:?}");
    target.good.round_trip().await;
}
