//! A server whose process runs out of file descriptors goes on when there are some again.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod support;

use std::{fs, process::Stdio};

use support::{HANG, round_trip};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::yield_now,
    time::timeout,
};
use tower_multiserver::{StackExt as _, net::Net};

/// As many as the program needs for itself, and a few for peers.
const LIMIT: usize = 40;

/// The echo server of the command line program, and its address.
async fn server() -> (Child, String) {
    let script = format!("ulimit -n {LIMIT}; exec \"$0\" listen net:127.0.0.1:0 --echo --json");
    let mut server = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_multiserver")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let stderr = server.stderr.take().expect("piped");
    let mut lines = BufReader::new(stderr).lines();
    let address = loop {
        let line = lines.next_line().await.expect("read").expect("it listens");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] == "listening" {
            break event["address"].as_str().expect("text").to_owned();
        }
    };
    // It must never wait for us to read what it says.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (server, address)
}

#[tokio::test]
async fn a_server_out_of_descriptors_serves_again_when_there_are_some() {
    let (server, address) = server().await;
    let socket = address.strip_prefix("net:").expect("over TCP");
    // More than it can ever accept; the kernel takes those that it does not.
    let mut peers = Vec::new();
    for _ in 0..2 * LIMIT {
        peers.push(TcpStream::connect(socket).await.expect("connected"));
    }
    let descriptors = format!("/proc/{}/fd", server.id().expect("it runs"));
    let used_up = async {
        while fs::read_dir(&descriptors).expect("readable").count() < LIMIT {
            yield_now().await;
        }
    };
    timeout(HANG, used_up).await.expect("used up");

    peers.clear();
    let good = async {
        let dialed = Net::new().dial(&*address).await.expect("dialed");
        round_trip(dialed, b"hello").await;
    };
    timeout(HANG, good).await.expect("served again");
}
