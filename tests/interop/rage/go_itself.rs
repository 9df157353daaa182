//! Hosts of libocr's ragep2p in Go, version `v1` and version `new`: that the harness runs them as the tests need them.

use std::path::Path;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{PATIENCE, RageHost, RagePeer};

const A: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222222222222222222222222222";
const C: &str = "3333333333333333333333333333333333333333333333333333333333333333";

/// A host that knows where this one is.
async fn dialler(go: &mut RagePeer, version: &str, seed: &str, of: &RageHost) -> RageHost {
    let table = json!({ &of.peer: [&of.address] });
    let options = json!({ "discover": { "static": table } });
    go.host(version, seed, options).await
}

/// Both ends of a stream of this name. The mode is that of the second.
async fn pair(
    go: &mut RagePeer,
    hosts: [&RageHost; 2],
    name: &str,
    mode: &str,
    options: Value,
) -> [u64; 2] {
    let [near, far] = hosts;
    let stream = go.stream(near, &far.peer, name, options.clone()).await;
    let mut options = options;
    options["mode"] = json!(mode);
    [stream, go.stream(far, &near.peer, name, options).await]
}

/// Waits until both hosts know that they are connected. An OPEN that comes before may be lost on version `new`, so
/// the streams that need both directions are opened afterwards.
async fn connect(go: &mut RagePeer, hosts: [&RageHost; 2]) {
    let streams = pair(go, hosts, "first", "record", json!({})).await;
    for stream in streams {
        go.send(stream, json!({ "size": 8 })).await;
    }
    let either = async {
        loop {
            for stream in streams {
                let options = json!({ "stream": stream, "count": 1, "millis": 50 });
                if go.done("wait", options).await["reached"] == true {
                    return;
                }
            }
        }
    };
    timeout(PATIENCE, either).await.expect("they connect");
}

/// That the counters that came are these, and nothing is wrong with the messages.
fn assert_received(tally: &Value, counters: impl Iterator<Item = u64>) {
    assert_eq!(tally["wrong"], Value::Null);
    assert_eq!(tally["counters"], json!(counters.collect::<Vec<_>>()));
}

#[test]
fn the_published_vectors_are_those_that_libocr_sends() {
    let Some(sent) = RagePeer::output(&["vectors"]) else {
        return;
    };
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/ragep2p.json");
    assert!(sent == std::fs::read_to_string(published).unwrap());
}

#[tokio::test]
async fn two_go_hosts_talk_through_the_harness() {
    let Some(mut go) = RagePeer::start() else {
        return;
    };
    let far = go.host("v1", B, json!({})).await;
    let near = dialler(&mut go, "v1", A, &far).await;
    let hosts = [&near, &far];
    connect(&mut go, hosts).await;

    let [echoed, echo] = pair(&mut go, hosts, "echo", "echo", json!({})).await;
    go.send(
        echoed,
        json!({ "count": 100, "sizes": [8, 9, 2011, 2012, 20_000] }),
    )
    .await;
    let sent = go.wait(echo, "messages", 100).await;
    assert_received(&sent["messages"], 0..100);
    let back = go.wait(echoed, "messages", 100).await;
    assert_received(&back["messages"], 0..100);
    assert_eq!(
        back["messages"]["bytes"],
        20 * (8 + 9 + 2011 + 2012 + 20_000)
    );

    let [counted, count] = pair(&mut go, hosts, "count", "count", json!({})).await;
    go.send(counted, json!({ "count": 50, "size": 1 })).await;
    let counts = go.wait(count, "messages", 50).await;
    assert_eq!(counts["messages"]["bytes"], 50);
    assert_received(&counts["messages"], 0..0);

    for stream in [echoed, echo] {
        go.done("close", json!({ "stream": stream })).await;
    }
    let twice = go.ask("close", json!({ "stream": echo })).await;
    assert_eq!(twice.unwrap_err(), "already closed stream");
    let [again, reopened] = pair(&mut go, hosts, "echo", "record", json!({})).await;
    go.send(again, json!({ "from": 1000, "size": 8 })).await;
    let reopened = go.wait(reopened, "messages", 1).await;
    assert_received(&reopened["messages"], 1000..1001);

    let metrics = go.done("metrics", json!({ "host": near.number })).await;
    let established = metrics["metrics"].as_array().unwrap().iter();
    let mut established =
        established.filter(|one| one["name"] == "ragep2p_peer_conn_established_total");
    let established = established.next().unwrap();
    assert_eq!(established["labels"]["remote_peer_id"], json!(far.peer));
    assert_eq!(established["value"], 1);
    go.done("closeHost", json!({ "host": far.number })).await;
}

#[tokio::test]
async fn go_measures_a_ping_pong_through_the_harness() {
    let Some(mut go) = RagePeer::start() else {
        return;
    };
    let far = go.host("v1", B, json!({})).await;
    let near = dialler(&mut go, "v1", A, &far).await;
    let [ping, _] = pair(
        &mut go,
        [&near, &far],
        "ping",
        "echo",
        json!({ "mode": "hold" }),
    )
    .await;
    let options = json!({ "stream": ping, "count": 100, "warmup": 10, "size": 64, "window": 1 });
    let measured = go.done("bench", options).await;
    let [least, most] = ["min", "max"].map(|of| measured["latencyMicros"][of].as_f64().unwrap());
    assert!(0.0 < least && least <= most, "{measured}");
}

#[tokio::test]
async fn go_hosts_answer_requests_through_the_harness() {
    let Some(mut go) = RagePeer::of("new") else {
        return;
    };
    let far = go.host("new", B, json!({})).await;
    let near = dialler(&mut go, "new", A, &far).await;
    let hosts = [&near, &far];
    connect(&mut go, hosts).await;
    // Twice answered, and once taken.
    let options = json!({ "priority": "low", "responses": { "size": 300, "times": 2 } });
    let [asking, serving] = pair(&mut go, hosts, "requests", "serve", options).await;
    for (count, most) in [(5, 300), (1, 299)] {
        let request = json!({ "stream": asking, "count": count, "size": 8, "maxSize": most });
        go.done("request", request).await;
    }
    go.send(asking, json!({ "size": 8 })).await;
    let served = go.wait(serving, "requests", 6).await;
    assert_received(&served["requests"], 0..6);
    let served = go.wait(serving, "messages", 1).await;
    assert_received(&served["messages"], 6..7);
    // What comes behind the last answer shows that no more is taken.
    go.send(serving, json!({ "size": 8 })).await;
    let answered = go.wait(asking, "messages", 1).await;
    assert_received(&answered["responses"], 0..5);

    let options = json!({ "stream": asking, "outBuf": 0 });
    let refused = go.ask("updateLimits", options).await.unwrap_err();
    assert!(refused.contains("not positive"), "{refused}");
}

#[tokio::test]
async fn go_hosts_find_each_other_by_ragedisco_through_the_harness() {
    let Some(mut go) = RagePeer::start() else {
        return;
    };
    let discover = json!({ "discover": { "ragedisco": {} } });
    let bootstrapper = go.host("v1", C, discover.clone()).await;
    let near = go.host("v1", A, discover.clone()).await;
    let far = go.host("v1", B, discover).await;
    for host in [&bootstrapper, &near, &far] {
        let group = json!({
            "host": host.number,
            "digest": "44".repeat(32),
            "oracles": [&near.peer, &far.peer],
            "bootstrappers": { &bootstrapper.peer: [&bootstrapper.address] },
        });
        go.done("group", group).await;
    }
    let [sending, receiving] = pair(&mut go, [&near, &far], "found", "record", json!({})).await;
    go.send(sending, json!({ "count": 10, "size": 100 })).await;
    let found = go.wait(receiving, "messages", 1).await;
    assert_eq!(found["messages"]["wrong"], Value::Null);
}

#[tokio::test]
async fn a_go_process_can_be_stopped_and_killed() {
    let (Some(mut go), Some(mut other)) = (RagePeer::start(), RagePeer::start()) else {
        return;
    };
    let far = other.host("v1", B, json!({})).await;
    let near = dialler(&mut go, "v1", A, &far).await;
    let sending = go.stream(&near, &far.peer, "x", json!({})).await;
    let receiving = other.stream(&far, &near.peer, "x", json!({})).await;
    go.send(sending, json!({ "size": 8 })).await;
    other.wait(receiving, "messages", 1).await;

    other.signal("STOP");
    let asked = other.command("stats", json!({ "stream": receiving })).await;
    go.send(sending, json!({ "size": 8 })).await;
    other.signal("CONT");
    other.answer(asked).await.unwrap();
    let received = other.wait(receiving, "messages", 2).await;
    assert_received(&received["messages"], 0..2);
    assert_eq!(other.stats(receiving).await["messages"]["count"], 2);

    let process = other.pid();
    other.kill().await;
    let mut other = RagePeer::start().unwrap();
    assert_ne!(other.pid(), process);
    let there = json!({ "listen": [&far.address] });
    let far = other.host("v1", B, there).await;
    let receiving = other.stream(&far, &near.peer, "x", json!({})).await;
    let healed = async {
        loop {
            go.send(sending, json!({ "size": 8 })).await;
            let options = json!({ "stream": receiving, "count": 1, "millis": 50 });
            if other.done("wait", options).await["reached"] == true {
                return;
            }
        }
    };
    timeout(PATIENCE, healed).await.expect("it dials again");
}
