//! What happens when a peer dies, stops, or is cut off.

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Duration, Instant, sleep, timeout},
};
use tower_multiserver::ragep2p::{Limits, Stream, Version};

use super::{
    lab::{numbered, send, socket, wide},
    obedient,
    pair::{Case, Connected, Dials, Pair, THEIRS, limits_json, seed, wide_json, with},
};
use crate::harness::{PATIENCE, RagePeer};

/// How long it may take until we hear that a connection has ended, on one machine.
const MOMENT: Duration = Duration::from_millis(100);

/// How long a write may take, and some time more.
const DEADLINE: Duration = Duration::from_secs(6);

each_pair! {
    /// What was handed to the old connection may be lost; what waited is not.
    async fn a_killed_peer_that_comes_back_is_found_again(connected) {
        let Connected { mut pair, mut kept } = connected;
        let mut ours = pair.open("during", wide());
        let theirs = pair.opened("during", wide_json()).await;
        send(&mut ours, numbered(0, 8)).await;
        pair.go.wait(theirs, "messages", 1).await;
        let mut pair = killed(pair).await;

        // What cannot be handed to a connection shows that we know.
        let mut number = 1;
        send(&mut ours, numbered(number, 8)).await;
        while timeout(MOMENT, ours.flush()).await.is_ok() {
            number += 1;
            send(&mut ours, numbered(number, 8)).await;
        }
        for more in 1..=10 {
            send(&mut ours, numbered(number + more, 8)).await;
        }
        start_again(&mut pair).await;
        let theirs = pair.opened("during", wide_json()).await;
        let told = pair.until_last(theirs, number + 10).await;
        let counters: Vec<u64> = serde_json::from_value(told["counters"].clone()).unwrap();
        assert!(counters.ends_with(&(number..=number + 10).collect::<Vec<_>>()), "{counters:?}");

        pair.opened("kept", with(wide_json(), json!({ "mode": "echo" }))).await;
        kept.until_echoed().await;
    }
}

/// Nobody is there any more; the new process has no host yet.
async fn killed(pair: Pair) -> Pair {
    let go = RagePeer::start().expect("it was there");
    pair.go.kill().await;
    Pair { go, ..pair }
}

async fn start_again(pair: &mut Pair) {
    let known = match pair.dials {
        Dials::Ours => json!({}),
        _ => json!({ pair.ours.id().to_string(): [socket(&pair.ours)] }),
    };
    let options = json!({ "listen": [&pair.theirs.address], "discover": { "static": known } });
    pair.theirs = pair.go.host(pair.version, &seed(THEIRS), options).await;
}

/// Few wait here, so that more wait in the connection.
fn narrow() -> Limits {
    Limits {
        outgoing: 4,
        ..wide()
    }
}

/// Fills the connection until nothing more is taken, for longer than a write may take.
async fn fill(stream: &mut Stream) {
    let begin = Instant::now();
    for number in 0.. {
        let more = stream.feed(numbered(number, 1 << 20).into());
        if timeout(DEADLINE, more).await.is_err() {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "it takes all");
    }
}

/// It takes connections, and no bytes.
async fn a_stopped_peer(go: &'static str, dials: Dials) {
    let case = Case {
        go,
        version: Version::V1,
        dials,
    };
    let Some(Connected { mut pair, mut kept }) = case.connected().await else {
        return;
    };
    let theirs = pair
        .opened("bulk", with(wide_json(), json!({ "mode": "count" })))
        .await;
    let mut bulk = pair.open("bulk", narrow());
    send(&mut bulk, numbered(0, 8)).await;
    pair.go.wait(theirs, "messages", 1).await;
    pair.go.signal("STOP");
    fill(&mut bulk).await;
    pair.go.signal("CONT");
    kept.until_echoed().await;
    assert!(pair.established().await > 1);
}

#[tokio::test]
async fn we_leave_a_v1_that_does_not_read_for_five_seconds() {
    let [ours, theirs] = [Dials::Ours, Dials::Theirs].map(|dials| a_stopped_peer("v1", dials));
    tokio::join!(ours, theirs);
}

#[tokio::test]
async fn we_leave_a_new_that_does_not_read_for_five_seconds() {
    let [ours, theirs] = [Dials::Ours, Dials::Theirs].map(|dials| a_stopped_peer("new", dials));
    tokio::join!(ours, theirs);
}

/// The other way around: our process is stopped, and Go has something to say.
async fn stopped_ourselves(version: &'static str, we_dial: bool) {
    let Some(mut go) = RagePeer::of(version) else {
        return;
    };
    let mut ours = obedient::start();
    let near = ours.host("ours v1", &seed(1), json!({})).await;
    let far = go.host(version, &seed(2), json!({})).await;
    let (dialer, from, to) = match we_dial {
        true => (&mut ours, &near, &far),
        false => (&mut go, &far, &near),
    };
    let known = json!({ "host": from.number, "addresses": { &to.peer: [&to.address] } });
    dialer.done("addresses", known).await;
    let receiving = ours.stream(&near, &far.peer, "bulk", wide_json()).await;
    let sending = go
        .stream(&far, &near.peer, "bulk", limits_json(narrow()))
        .await;
    go.send(sending, json!({ "from": 0, "size": 8 })).await;
    ours.wait(receiving, "messages", 1).await;

    ours.signal("STOP");
    let bulk = json!({ "from": 1, "count": 100, "size": 1 << 20, "pauseMicros": 10_000 });
    go.send(sending, bulk).await;
    // That long a write may take.
    sleep(DEADLINE).await;
    ours.signal("CONT");
    let mut number = 1000;
    let healed = async {
        loop {
            go.send(sending, json!({ "from": number, "size": 8 })).await;
            let heard = ours.stats(receiving).await["messages"].take();
            assert_eq!(heard["wrong"], json!(null));
            let last = heard["counters"]
                .as_array()
                .unwrap()
                .last()
                .unwrap()
                .as_u64();
            if last >= Some(1000) {
                break;
            }
            number += 1;
            let more = heard["count"].as_u64().unwrap() + 1;
            ours.done(
                "wait",
                json!({ "stream": receiving, "count": more, "millis": 50 }),
            )
            .await;
        }
    };
    timeout(PATIENCE, healed).await.expect("it heals");
    let metrics = go.done("metrics", json!({ "host": far.number })).await;
    let metrics = metrics["metrics"].as_array().unwrap().iter();
    let established = metrics
        .clone()
        .find(|one| one["name"] == "ragep2p_peer_conn_established_total");
    assert!(established.unwrap()["value"].as_f64() > Some(1.0));
}

#[tokio::test]
async fn v1_leaves_us_when_we_do_not_read_for_five_seconds_and_is_back_later() {
    tokio::join!(
        stopped_ourselves("v1", true),
        stopped_ourselves("v1", false)
    );
}

#[tokio::test]
async fn new_leaves_us_when_we_do_not_read_for_five_seconds_and_is_back_later() {
    tokio::join!(
        stopped_ourselves("new", true),
        stopped_ourselves("new", false)
    );
}

/// Forwards connections to `to`; whenever it is told to, it lets those that there are rest, without an end.
async fn proxy(to: String) -> (String, watch::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (freeze, freezes) = watch::channel(());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, mut freezes) = (to.clone(), freezes.clone());
            freezes.mark_unchanged();
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(to).await else {
                    return;
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => return,
                    _ = freezes.changed() => {}
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (at, freeze)
}

/// A connection of which nobody says that it has ended.
async fn half_open(go: &'static str, dials: Dials) {
    let case = Case {
        go,
        version: Version::V1,
        dials,
    };
    let Some(mut pair) = case.pair().await else {
        return;
    };
    let to = match dials {
        Dials::Ours => pair.theirs.address.clone(),
        _ => socket(&pair.ours),
    };
    let (proxy, freeze) = proxy(to).await;
    match dials {
        Dials::Ours => pair
            .map
            .set(pair.peer(), [format!("net:{proxy}").parse().unwrap()]),
        _ => {
            let known = json!({ pair.ours.id().to_string(): [proxy] });
            let known = json!({ "host": pair.theirs.number, "addresses": known });
            pair.go.done("addresses", known).await;
        }
    }
    let mut kept = pair.connect().await;
    let options = with(limits_json(narrow()), json!({ "mode": "count" }));
    let theirs = pair.opened("bulk", options).await;
    let mut bulk = pair.open("bulk", narrow());
    send(&mut bulk, numbered(0, 8)).await;
    pair.go.wait(theirs, "messages", 1).await;
    freeze.send(()).unwrap();
    // Whoever dials must find out.
    let found = match dials {
        Dials::Ours => {
            let full = timeout(PATIENCE, async {
                for number in 1..100 {
                    send(&mut bulk, numbered(number, 1 << 20)).await;
                }
            });
            full.await.map(drop)
        }
        _ => {
            let options = json!({ "count": 100, "size": 1 << 20, "pauseMicros": 10_000 });
            pair.go.send(theirs, options).await;
            timeout(PATIENCE, async {
                while pair.established().await < 2 {
                    sleep(MOMENT).await;
                }
            })
            .await
        }
    };
    found.expect("the connection is given up, and there is another");
    kept.until_echoed().await;
    assert!(pair.established().await > 1);
}

#[tokio::test]
async fn a_connection_to_v1_that_takes_nothing_any_more_is_given_up_for_another() {
    tokio::join!(half_open("v1", Dials::Ours), half_open("v1", Dials::Theirs));
}

#[tokio::test]
async fn a_connection_to_new_that_takes_nothing_any_more_is_given_up_for_another() {
    tokio::join!(
        half_open("new", Dials::Ours),
        half_open("new", Dials::Theirs)
    );
}
