//! `ping`.

use serde_json::Value;

use crate::{
    harness::{Program, key, run},
    ports::closed_port,
};

fn pings(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

#[tokio::test]
async fn each_layer_has_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let (server_key, server_id) = key(&directory, "server").await;
    let socket = directory.path().join("socket").display().to_string();
    for (address, layers) in [
        ("net:127.0.0.1:0~shs", &["net", "shs"][..]),
        ("ws://127.0.0.1:0~shs", &["ws", "shs"]),
        (&format!("unix:{socket}~noauth"), &["unix", "noauth"]),
        ("net:127.0.0.1:0", &["net"]),
        ("ws://127.0.0.1:0", &["ws"]),
    ] {
        let args = ["--echo", "--key", &server_key];
        let (mut server, at) = Program::listen(address, &args).await;
        let args = ["ping", &at, "--count", "2", "--interval", "0", "--json"];
        let ended = run(&args).await;
        assert_eq!(ended.code, Some(0), "{at}: {:?}", ended.told);
        let pings = pings(ended.text());
        assert_eq!(pings.len(), 2);
        for ping in pings {
            assert_eq!(
                (&ping["event"], &ping["address"]),
                (&"ping".into(), &at.as_str().into())
            );
            let times = ping["layers"].as_array().expect("a list");
            let names: Vec<_> = times.iter().map(|time| &time["layer"]).collect();
            assert_eq!(names, layers);
            let sum: f64 = times
                .iter()
                .map(|time| time["seconds"].as_f64().expect("seconds"))
                .sum();
            let all = ping["seconds"].as_f64().expect("seconds");
            assert!(sum > 0.0 && sum <= all, "{ping}");
            if at.contains("~shs") {
                let remote = ping["remote"].as_str().expect("a key");
                assert_eq!(format!("@{remote}.ed25519"), server_id);
            }
        }
        // A good end, or it were an error.
        for _ in 0..2 {
            server.event("closed").await;
        }
        assert!(!server.told.iter().any(|line| line.contains("\"error\"")));
    }
}

#[tokio::test]
async fn people_read_milliseconds_and_a_summary() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let ended = run(&["ping", &at, "--count", "3", "--interval", "0"]).await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
    let lines: Vec<_> = ended.text().lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for part in [&format!("{at}: net "), " ms, shs ", " ms, total "] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
    assert!(
        lines[3].starts_with("3 of 3 got through; least "),
        "{lines:?}"
    );
    let once = run(&["ping", &at]).await;
    assert_eq!(once.text().lines().count(), 1);
}

#[tokio::test]
async fn who_does_not_get_through_ends_with_the_code_of_the_reason() {
    let (_server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let other = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    let (transport, _) = at.split_once('~').expect("a transform");
    let (_reserved, closed) = closed_port();
    let nobody = format!("net:{closed}");
    for (address, code, kind, errors) in [
        (format!("{transport}~shs:{other}"), 4, "handshake", 2),
        (nobody, 3, "io", 2),
        ("net:h:1~other".to_owned(), 2, "unsupported", 1),
        ("~".to_owned(), 2, "invalid-address", 1),
    ] {
        let args = [
            "ping",
            &address,
            "--count",
            "2",
            "--interval",
            "0",
            "--json",
        ];
        let ended = run(&args).await;
        assert_eq!((ended.code, ended.text()), (Some(code), ""), "{address}");
        let told: Vec<Value> = pings(&ended.told.join("\n"));
        assert_eq!(told.len(), errors, "{told:?}");
        assert!(told.iter().all(|error| error["kind"] == kind), "{told:?}");
    }
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_the_next() {
    let (_server, at) = Program::listen("net:127.0.0.1:0", &["--echo"]).await;
    let args = ["ping", &at, "--count", "9", "--interval", "3600", "--json"];
    let mut ping = Program::start(args);
    assert_eq!(ping.receive(1).await, b"{");
    ping.signal("INT").await;
    assert_eq!(ping.end().await.code, Some(0));
}
