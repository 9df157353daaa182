//! Requests and responses, which version `new` has and version `v1` ends the connection for.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use tower_multiserver::ragep2p::{
    Limits, Message, Request, RequestStream, ResponsePolicy, Version,
};

use super::{
    lab::{numbered, wide},
    pair::{Case, Connected, Dials, Pair, assert_counters, limits_json, with},
};
use crate::harness::PATIENCE;

/// What a response has: more than a message may.
const ANSWER: u32 = 300;

fn short() -> Limits {
    Limits {
        max_message: 100,
        ..wide()
    }
}

/// Both ends of a stream with requests. What is added is theirs.
async fn stream(pair: &mut Pair, name: &str, more: Value) -> (RequestStream, u64) {
    let options = with(limits_json(short()), json!({ "priority": "default" }));
    let theirs = pair.opened(name, with(options, more)).await;
    let ours = pair.ours.stream(pair.peer(), name).limits(short());
    (ours.open_with_requests().expect("it opens"), theirs)
}

async fn recv(stream: &mut RequestStream) -> Message {
    let message = timeout(PATIENCE, stream.recv()).await;
    message
        .expect("it comes in time")
        .expect("the stream is open")
}

async fn recv_request(stream: &mut RequestStream, number: u64) -> Request {
    match recv(stream).await {
        Message::Request(request) if request.payload == numbered(number, 8) => request,
        other => panic!("expected request {number}, got {other:?}"),
    }
}

fn answer(number: u64) -> Message {
    Message::Response(numbered(number, ANSWER as usize).into())
}

fn serve(more: Value) -> Value {
    let responses = with(json!({ "size": ANSWER }), more);
    json!({ "mode": "serve", "responses": responses })
}

async fn we_ask(dials: Dials) {
    let case = Case {
        go: "new",
        version: Version::V2,
        dials,
    };
    let Some(Connected {
        mut pair,
        kept: _kept,
    }) = case.connected().await
    else {
        return;
    };
    // What comes twice is let in once.
    let (mut ours, theirs) = stream(&mut pair, "asked", serve(json!({ "times": 2 }))).await;
    let (mut other, others) = stream(&mut pair, "other", json!({})).await;
    let later = Instant::now() + PATIENCE;
    let ask = |ours: &RequestStream, number: u64, policy| {
        let _ = ours.request(numbered(number, 8), policy).unwrap();
    };
    let allowed = ResponsePolicy::once(ANSWER, later);
    ask(&ours, 0, allowed);
    assert_eq!(recv(&mut ours).await, answer(0));
    ask(&ours, 1, ResponsePolicy::once(ANSWER - 1, later));
    ask(&ours, 2, allowed);
    assert_eq!(recv(&mut ours).await, answer(2));
    ask(&ours, 3, ResponsePolicy::once(ANSWER, Instant::now()));
    ask(&ours, 4, allowed);
    assert_eq!(recv(&mut ours).await, answer(4));

    let astray = with(serve(json!({ "on": others })), json!({ "stream": theirs }));
    pair.go.done("mode", astray).await;
    ask(&ours, 5, allowed);
    pair.go.wait(theirs, "requests", 6).await;
    let back = with(serve(json!({})), json!({ "stream": theirs }));
    pair.go.done("mode", back).await;
    ask(&ours, 6, allowed);
    assert_eq!(recv(&mut ours).await, answer(6));
    pair.go.send(others, json!({ "from": 7, "size": 8 })).await;
    assert_eq!(
        recv(&mut other).await,
        Message::Plain(numbered(7, 8).into())
    );
    assert_counters(&pair.go.stats(theirs).await["requests"], 0..7);
    assert_eq!(pair.established().await, 1);
}

#[tokio::test]
async fn new_answers_us_as_often_and_as_long_as_we_let_it() {
    we_ask(Dials::Ours).await;
    we_ask(Dials::Theirs).await;
}

async fn new_asks(dials: Dials) {
    let case = Case {
        go: "new",
        version: Version::V2,
        dials,
    };
    let Some(Connected {
        mut pair,
        kept: _kept,
    }) = case.connected().await
    else {
        return;
    };
    let (mut ours, theirs) = stream(&mut pair, "asking", json!({})).await;
    let (other, _) = stream(&mut pair, "other", json!({})).await;
    let respond = |through: &RequestStream, request: &Request, number| {
        let _ = through
            .respond(request, numbered(number, ANSWER as usize))
            .unwrap();
    };
    let mut number = 0;
    for (max, millis, times) in [
        (ANSWER, 60_000, 2),
        (ANSWER - 1, 60_000, 1),
        (ANSWER, 60_000, 1),
        (ANSWER, 1, 1),
    ] {
        let ask = json!({ "stream": theirs, "size": 8, "maxSize": max, "expiryMillis": millis });
        pair.go.done("request", ask).await;
        let request = recv_request(&mut ours, number).await;
        if millis == 1 {
            // It expires.
            sleep(Duration::from_millis(50)).await;
        }
        for _ in 0..times {
            respond(&ours, &request, number);
        }
        number += 1;
    }
    let ask = json!({ "stream": theirs, "size": 8, "maxSize": ANSWER });
    pair.go.done("request", ask).await;
    let request = recv_request(&mut ours, number).await;
    respond(&other, &request, number);
    let _ = other.send(numbered(0, 8)).unwrap();
    // Behind all that, where it was asked too.
    let _ = ours.send(numbered(0, 8)).unwrap();
    let told = pair.go.wait(theirs, "messages", 1).await;
    assert_counters(&told["responses"], [0, 2]);
    assert_eq!(pair.established().await, 1);
}

#[tokio::test]
async fn new_takes_our_answers_as_often_and_as_long_as_it_lets_us() {
    new_asks(Dials::Ours).await;
    new_asks(Dials::Theirs).await;
}

#[tokio::test]
async fn a_request_to_v1_ends_the_connection_and_the_streams_heal() {
    for dials in [Dials::Ours, Dials::Theirs] {
        let case = Case {
            go: "v1",
            version: Version::V2,
            dials,
        };
        let Some(Connected { mut pair, mut kept }) = case.connected().await else {
            return;
        };
        pair.opened("asked", limits_json(short())).await;
        let ours = pair
            .ours
            .stream(pair.peer(), "asked")
            .open_with_requests()
            .unwrap();
        let policy = ResponsePolicy::once(ANSWER, Instant::now() + PATIENCE);
        let _ = ours.request(numbered(0, 8), policy).unwrap();
        ended(&mut pair).await;
        kept.until_echoed().await;
    }
}

#[tokio::test]
async fn a_request_of_new_to_us_as_v1_ends_the_connection_and_the_streams_heal() {
    for dials in [Dials::Ours, Dials::Theirs] {
        let case = Case {
            go: "new",
            version: Version::V1,
            dials,
        };
        let Some(Connected { mut pair, mut kept }) = case.connected().await else {
            return;
        };
        let options = with(limits_json(short()), json!({ "priority": "default" }));
        let theirs = pair.opened("asked", options).await;
        let _ours = pair.open("asked", short());
        pair.go
            .done(
                "request",
                json!({ "stream": theirs, "size": 8, "maxSize": 1 }),
            )
            .await;
        ended(&mut pair).await;
        kept.until_echoed().await;
    }
}

/// Waits until the first connection has ended, and there is another.
async fn ended(pair: &mut Pair) {
    let second = async {
        while pair.established().await < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, second)
        .await
        .expect("there is another connection");
}
