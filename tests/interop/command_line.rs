//! The command line program speaks with the npm package.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::harness::{Half, PATIENCE, Peer, base64, npm, text, theirs};

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

#[cfg(unix)]
#[tokio::test]
async fn the_program_dials_a_javascript_process_by_its_stdin_and_stdout() {
    let Some(modules) = npm::modules() else {
        return;
    };
    let options = json!({
        "do": "serve",
        "plugins": ["channel~shs"],
        "behaviour": "echo",
        "appKey": SSB,
        "seed": base64("TESTSEED of the other side"),
    });
    let script = npm::sources().join("channel.js").display().to_string();
    let mut program = Command::new(env!("CARGO_BIN_EXE_multiserver"))
        .args(["connect", &format!("channel~shs:{}", theirs().public_key())])
        .args(["--json", "--pipe", "exec node \"$SCRIPT\" \"$OPTIONS\""])
        .env("NODE_PATH", modules)
        .env("SCRIPT", script)
        .env("OPTIONS", options.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    let data = vec![b'x'; 50_000];
    stdin.write_all(&data).await.unwrap();
    drop(stdin);
    let output = timeout(PATIENCE, program.wait_with_output());
    let output = output.await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == data);
}
