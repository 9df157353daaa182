//! The public suite of Secret Handshake, npm `shs1-test`, against both sides of ours: 45 peers each, of which 25 do not keep
//! to the protocol.
//!
//! It is GPL-3.0: a program that is installed and run, and no part of this project. `MULTISERVER_SEEDS` sets how many seeds
//! are run.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::harness::npm;

/// Of one seed. Its cases run all at once, each in a process.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn our_client_passes() {
    pass("test-client.js", "client").await;
}

#[tokio::test]
async fn our_server_passes() {
    pass("test-server.js", "server").await;
}

async fn pass(program: &str, side: &str) {
    let Some(modules) = npm::modules() else {
        return;
    };
    let ours = example();
    let seeds = std::env::var("MULTISERVER_SEEDS").map_or(3, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        let run = Command::new("node")
            .arg(modules.join("shs1-test").join(program))
            .arg(&ours)
            .arg(seed.to_string())
            .env("NODE_NO_WARNINGS", "1")
            .kill_on_drop(true)
            .output();
        let run = timeout(PATIENCE, run).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        let passed = format!("Passed the {side} test suite");
        assert!(
            run.status.success() && said.contains(&passed),
            "seed {seed}: {said}"
        );
    }
    println!("measured shs1-test\tour {side}\t{seeds} seeds of 45 cases");
}

/// The program of ours that it drives, which is built if it is not yet.
fn example() -> PathBuf {
    let build = [
        "build",
        "--quiet",
        "--package",
        "tower-multiserver-shs",
        "--example",
        "shs1_stdio",
    ];
    npm::output(env!("CARGO"), &build, Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join("shs1_stdio")
}
