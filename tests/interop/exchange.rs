//! Bytes and ends, both ways over every stack.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, split};

use crate::harness::{
    Half, Options, PATIENCE, Peer, accept, dial, echo, exchange, listen, read_to_end, send_to_end,
};

const MIB: usize = 1 << 20;

each_stack! { all

/// We dial, JavaScript sends everything back.
async fn a_mebibyte_comes_back_from_javascript(js, stack, directory) {
    let (job, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let connection = dial(&address, Options::default()).await.unwrap();
    let (sent, received) = exchange(connection, MIB).await;
    assert_eq!(sent, received);

    let done = js.event(job, "done").await;
    assert_eq!((Half::received(&done), Half::sent(&done)), (sent, received));
    assert!(done["error"].is_null(), "{done}");
}

/// JavaScript dials, we send everything back.
async fn a_mebibyte_goes_back_to_javascript(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let options = json!({ "behaviour": "send", "bytes": MIB });
    let job = js.dial(stack, &server.address, options).await;
    let echoed = echo(accept(&mut server).await.unwrap()).await;

    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), echoed);
    assert_eq!(Half::received(&done), echoed);
    assert!(done["error"].is_null(), "{done}");
}

/// We have ended when JavaScript begins to answer.
async fn javascript_answers_after_our_end(js, stack, directory) {
    let options = json!({ "behaviour": "digest", "dir": directory, "allowHalfOpen": true });
    let (job, address) = js.serve(stack, options).await;
    let connection = dial(&address, Options::default()).await.unwrap();
    let (mut from, mut to) = split(connection);
    let sent = send_to_end(&mut to, 100_000).await;
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, sent.sha256);

    let done = js.event(job, "done").await;
    assert_eq!(Half::received(&done), sent);
    assert!(done["error"].is_null(), "{done}");
}

/// JavaScript has ended when we begin to answer.
async fn we_answer_after_the_end_of_javascript(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let options = json!({ "behaviour": "send", "bytes": 100_000 });
    let job = js.dial(stack, &server.address, options).await;
    let (mut from, mut to) = split(accept(&mut server).await.unwrap());
    let received = read_to_end(&mut from).await.unwrap();
    let answer = send_to_end(&mut to, 70_000).await;

    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), received);
    assert_eq!(Half::received(&done), answer);
    assert!(done["error"].is_null(), "{done}");
}

async fn we_send_64_mebibytes_to_a_javascript_server(js, stack, directory) {
    let options = json!({ "behaviour": "receive", "dir": directory });
    let (job, address) = js.serve(stack, options).await;
    let connection = dial(&address, Options::default()).await.unwrap();
    let (sent, received) = exchange(connection, 64 * MIB).await;
    assert_eq!(received.bytes, 0);

    let done = js.event(job, "done").await;
    assert_eq!(Half::received(&done), sent);
    assert!(done["error"].is_null(), "{done}");
}

async fn a_javascript_server_sends_us_64_mebibytes(js, stack, directory) {
    let options = json!({ "behaviour": "send", "bytes": 64 * MIB, "dir": directory });
    let (job, address) = js.serve(stack, options).await;
    let (mut from, mut to) = split(dial(&address, Options::default()).await.unwrap());
    let received = read_to_end(&mut from).await.unwrap();
    send_to_end(&mut to, 0).await;

    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), received);
    assert_eq!(received.bytes, 64 * MIB as u64);
    assert!(done["error"].is_null(), "{done}");
}

async fn a_javascript_client_sends_us_64_mebibytes(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let options = json!({ "behaviour": "send", "bytes": 64 * MIB });
    let job = js.dial(stack, &server.address, options).await;
    let (mut from, mut to) = split(accept(&mut server).await.unwrap());
    let received = read_to_end(&mut from).await.unwrap();
    send_to_end(&mut to, 0).await;

    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), received);
    assert_eq!(received.bytes, 64 * MIB as u64);
    assert!(done["error"].is_null(), "{done}");
}

async fn we_send_64_mebibytes_to_a_javascript_client(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let job = js.dial(stack, &server.address, json!({ "behaviour": "receive" })).await;
    let (sent, received) = exchange(accept(&mut server).await.unwrap(), 64 * MIB).await;
    assert_eq!(received.bytes, 0);

    let done = js.event(job, "done").await;
    assert_eq!(Half::received(&done), sent);
    assert!(done["error"].is_null(), "{done}");
}

/// All three are open before the first byte goes, and the last is served first.
async fn three_connections_to_javascript_live_side_by_side(js, stack, directory) {
    let (job, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let connect = || dial(&address, Options::default());
    let (a, b, c) = tokio::join!(connect(), connect(), connect());
    for _ in 0..3 {
        js.event(job, "connection").await;
    }
    for (connection, bytes) in [(c.unwrap(), 3000), (a.unwrap(), 1000), (b.unwrap(), 2000)] {
        let (sent, received) = exchange(connection, bytes).await;
        assert_eq!(sent, received);
        let done = js.event(job, "done").await;
        assert_eq!(Half::received(&done), sent);
        assert!(done["error"].is_null(), "{done}");
    }
}

/// All three are open before one of them is served.
async fn three_connections_from_javascript_live_side_by_side(js, stack, directory) {
    let mut server = listen(stack, directory, Options::default()).await;
    let mut jobs = Vec::new();
    for bytes in [1000, 2000, 3000] {
        let options = json!({ "behaviour": "send", "bytes": bytes });
        jobs.push(js.dial(stack, &server.address, options).await);
    }
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(accept(&mut server).await.unwrap());
    }
    let mut echoed = Vec::new();
    while let Some(connection) = connections.pop() {
        echoed.push(echo(connection).await);
    }
    echoed.sort_by_key(|half| half.bytes);
    for (job, echoed) in jobs.into_iter().zip(echoed) {
        let done = js.event(job, "done").await;
        assert_eq!(Half::sent(&done), echoed);
        assert_eq!(Half::received(&done), echoed);
        assert!(done["error"].is_null(), "{done}");
    }
}
}
