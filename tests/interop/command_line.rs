//! The command line program serves the npm client.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::harness::{Half, PATIENCE, Peer, text, theirs};

/// SSB's main network, the program's default.
const SSB: &str = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=";

#[tokio::test]
async fn the_program_echoes_to_a_javascript_client() {
    let Some(mut js) = Peer::start() else { return };
    let mut program = Command::new(env!("CARGO_BIN_EXE_multiserver"))
        .args(["listen", "net:127.0.0.1:0~shs", "--echo", "--json"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut status = BufReader::new(program.stderr.take().unwrap()).lines();
    let mut event = async |name: &str| loop {
        let line = timeout(PATIENCE, status.next_line())
            .await
            .unwrap()
            .unwrap();
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_ne!(event["event"], "error", "{event}");
        if event["event"] == name {
            return event;
        }
    };
    let listening = event("listening").await;
    assert_eq!(listening["scope"], "device");

    let options = json!({ "behaviour": "send", "bytes": 1 << 20, "appKey": SSB });
    let job = js
        .dial("net~shs", text(&listening["address"]), options)
        .await;
    let connection = event("connection").await;
    assert_eq!(connection["remote"], theirs().public_key().to_string());
    let done = js.event(job, "done").await;
    assert_eq!(Half::received(&done), Half::sent(&done));
    assert!(done["error"].is_null(), "{done}");
}
