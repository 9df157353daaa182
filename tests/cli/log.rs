//! `--verbose`, `--quiet` and MULTISERVER_LOG.

use crate::harness::{Program, connect, run};

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";

/// The base64 of 32 bytes.
const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

/// The log of a server that refuses a client.
async fn log_of_a_refusal(args: &[&str]) -> Vec<String> {
    let (mut server, at) =
        Program::listen("net:127.0.0.1:0~shs", &[&["--echo"], args].concat()).await;
    let (transport, _) = at.split_once('~').expect("a transform");
    let wrong = format!("{transport}~shs:{KEY}");
    assert_eq!(connect(&wrong, &[], b"").await.code, Some(4));
    server.event("error").await;
    server.signal("TERM").await;
    let told = server.end().await.told;
    let events = told.iter().map(|line| crate::harness::event(line));
    events
        .filter(|event| event["event"] == "log")
        .map(|event| event["message"].as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test]
async fn verbose_tells_what_the_layers_do() {
    assert_eq!(log_of_a_refusal(&[]).await, [""; 0]);
    let log = log_of_a_refusal(&["-v"]).await;
    assert!(
        log.iter()
            .any(|line| line.contains("tower_multiserver_core")),
        "{log:?}"
    );
    assert!(log.iter().all(|line| !line.contains('\n')), "{log:?}");
}

#[tokio::test]
async fn quiet_tells_errors_only() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let client = connect(&at, &["--quiet"], b"hello").await;
    assert_eq!((client.code, &client.stdout[..]), (Some(0), &b"hello"[..]));
    assert_eq!(client.told, [""; 0]);
    let refused = connect("net:127.0.0.1:1", &["--quiet"], b"").await;
    assert_eq!(refused.error()["kind"], "io");
    assert_eq!(connect(&at, &["-q", "-v"], b"").await.code, Some(2));
}

#[tokio::test]
async fn no_log_shows_a_secret() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo", "-vv"]).await;
    for address in [
        format!("{at}:{SEED}"),
        format!("net:127.0.0.1:1~shs:{KEY}:{SEED}"),
    ] {
        let args = ["connect", &address, "--json", "-vv", "--app-key", SEED];
        let ended = run(&args).await;
        assert!(
            !ended.told.concat().contains(&SEED[..20]),
            "{:?}",
            ended.told
        );
    }
    server.event("error").await;
    server.signal("TERM").await;
    assert!(!server.end().await.told.concat().contains(&SEED[..20]));
}

#[cfg(unix)]
#[tokio::test]
async fn the_environment_says_more_exactly_what_to_tell() {
    let shell = |filter: &str| {
        let script = "MULTISERVER_LOG=\"$1\" exec \"$0\" connect net:127.0.0.1:1 --json";
        let output = std::process::Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_multiserver"), filter])
            .output()
            .expect("sh runs");
        let told = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), told)
    };
    let (code, told) = shell("tower_multiserver=off,mio=trace,tokio=trace");
    assert_eq!((code, told.lines().count()), (Some(3), 1), "{told}");
    let (code, told) = shell("a=b=c");
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("MULTISERVER_LOG"), "{told}");
}
