//! Between the two hosts.

use std::{
    io::ErrorKind as IoErrorKind,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};
use tower::Layer as _;
use tower_multiserver::{
    Connection, ErrorKind, Identity, Shutdown, StackExt as _, net::Net, shs::ShsLayer,
};

use crate::lab::{HANG, intact, measured, run};

/// What the cable does to packets in either direction.
struct Fault;

impl Fault {
    /// Does this to what leaves the near host and what comes to it.
    async fn new(verdict: &str) -> Self {
        let rules = format!(
            "table inet faults {{ \
                chain out {{ type filter hook output priority 0; policy accept; oifname near {verdict}; }}; \
                chain in {{ type filter hook input priority 0; policy accept; iifname near {verdict}; }}; \
            }}"
        );
        run("nft", &[&rules]).await;
        Self
    }

    async fn cut() -> Self {
        Self::new("drop").await
    }

    async fn mend(self) {
        run("nft", &["flush", "table", "inet", "faults"]).await;
    }
}

/// The command line program on the far host.
fn far(args: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", "far", env!("CARGO_BIN_EXE_multiserver")])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// An echo on the far host, with time for handshakes on a bad network.
async fn echo() -> (Child, String) {
    let config =
        "listen = [\"net:10.9.0.2:0~shs\"]\nallow = \"all\"\nlimits.handshake-timeout = 60\n";
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config");
    std::fs::write(&path, config).expect("a file");
    let path = path.to_str().expect("text");
    let mut server = far(&["listen", "--config", path, "--echo", "--json"])
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(server.stderr.take().expect("piped")).lines();
    let address = loop {
        let line = told.next_line().await.expect("text").expect("it listens");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] == "listening" {
            break event["address"].as_str().expect("a text").to_owned();
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = told.next_line().await {} });
    (server, address)
}

fn stack() -> impl Fn(Net) -> tower_multiserver::Transformed<Net, ShsLayer> {
    let identity = Identity::generate().expect("randomness");
    move |net| ShsLayer::new(identity.clone()).layer(net)
}

async fn dial(to: &str) -> Connection<impl tower_multiserver::Io> {
    let dialed = stack()(Net::new().dial_timeout(HANG)).dial(to).await;
    dialed.expect("dialed")
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_link_that_loses_a_tenth_each_way_delivers_all_intact() {
    let (_server, to) = echo().await;
    let fault = Fault::new("numgen random mod 100 < 10 drop").await;
    let start = Instant::now();
    intact(dial(&to).await, 256 << 10).await;
    measured("256 KiB at a loss of a tenth each way", start.elapsed());
    fault.mend().await;
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_slow_link_delivers_all_intact() {
    let (_server, to) = echo().await;
    let tbf = "qdisc add dev near root tbf rate 4mbit burst 16kb latency 300ms";
    run("tc", &tbf.split(' ').collect::<Vec<_>>()).await;
    let start = Instant::now();
    intact(dial(&to).await, 512 << 10).await;
    measured("512 KiB at 4 Mbit/s", start.elapsed());
    run("tc", &["qdisc", "del", "dev", "near", "root"]).await;
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_link_that_is_cut_for_a_moment_loses_nothing() {
    let (_server, to) = echo().await;
    let connection = dial(&to).await;
    let cut = async {
        let fault = Fault::cut().await;
        // How long it is cut.
        sleep(Duration::from_secs(1)).await;
        fault.mend().await;
    };
    let start = Instant::now();
    tokio::join!(intact(connection, 4 << 20), cut);
    assert!(start.elapsed() >= Duration::from_secs(1));
    measured("4 MiB with a cut of a second", start.elapsed());
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_dial_to_a_host_that_is_gone_ends_at_its_deadline() {
    let fault = Fault::cut().await;
    let start = Instant::now();
    let net = Net::new().dial_timeout(Duration::from_millis(500));
    let error = net.dial("net:10.9.0.2:1").await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let elapsed = start.elapsed();
    assert!(
        elapsed >= Duration::from_millis(500) && elapsed < Duration::from_secs(5),
        "{elapsed:?}"
    );
    fault.mend().await;
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_peer_that_vanishes_in_the_handshake_is_given_up_at_the_deadline() {
    let (_shutdown, closing) = Shutdown::new();
    let server = stack()(Net::new())
        .listen("net:10.9.0.1:0~shs", closing)
        .await;
    let mut server = server
        .expect("listening")
        .handshake_timeout(Duration::from_secs(1));
    let port = server.addresses()[0].1.sections()[0].to_string();
    let port = port.rsplit_once(':').expect("a port").1.to_owned();
    let mute = format!("exec 3<>/dev/tcp/10.9.0.1/{port}; echo; read");
    let mut peer = Command::new("ip")
        .args(["netns", "exec", "far", "bash", "-c", &mute])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let connected = async { peer.stdout.take().expect("piped").read_u8().await };
    let start = Instant::now();
    let cut = async {
        connected.await.expect("connected");
        Fault::cut().await
    };
    let (accepted, fault) = tokio::join!(server.next(), cut);
    let error = accepted.expect("one").expect_err("mute");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    fault.mend().await;
}

/// A connection that the far host has made to one of ours.
async fn from_far(net: Net) -> (Connection<impl tower_multiserver::Io>, Child) {
    let (_shutdown, closing) = Shutdown::new();
    let server = stack()(net).listen("net:10.9.0.1:0~shs", closing).await;
    let mut server = server.expect("listening");
    let to = server.addresses()[0].1.to_string();
    let client = far(&["connect", &to]).spawn().expect("it starts");
    let accepted = timeout(HANG, server.next()).await.expect("no hang");
    (accepted.expect("one").expect("accepted"), client)
}

/// Until it is noticed that the far host has vanished.
async fn noticed(mut connection: Connection<impl tower_multiserver::Io>) {
    let read = timeout(HANG, connection.read_u8()).await.expect("no hang");
    assert_eq!(read.expect_err("gone").kind(), IoErrorKind::TimedOut);
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_peer_that_vanishes_while_we_write_is_noticed_at_the_user_timeout() {
    let net = Net::new().user_timeout(Duration::from_secs(2));
    let (mut connection, _client) = from_far(net).await;
    let fault = Fault::cut().await;
    let start = Instant::now();
    connection
        .write_all(b"hello?")
        .await
        .expect("the kernel takes it");
    connection.flush().await.expect("the kernel takes it");
    noticed(connection).await;
    let elapsed = start.elapsed();
    measured("a user timeout of 2 s", elapsed);
    assert!(
        elapsed >= Duration::from_secs(1) && elapsed < Duration::from_secs(20),
        "{elapsed:?}"
    );
    fault.mend().await;
}

/// Of a minute and a half, so in the large form only.
#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_peer_that_vanishes_in_silence_is_noticed_after_90_seconds() {
    if std::env::var("MULTISERVER_SOAK").as_deref() != Ok("large") {
        return;
    }
    let (connection, _client) = from_far(Net::new()).await;
    let fault = Fault::cut().await;
    let start = Instant::now();
    noticed(connection).await;
    let elapsed = start.elapsed();
    measured("keep-alive", elapsed);
    let seconds = elapsed.as_secs();
    assert!((85..=100).contains(&seconds), "{elapsed:?}");
    fault.mend().await;
}
