//! Closing waits for every transport, whether it needs time or not.

use tower::Layer as _;
use tower_multiserver::{MultiServer, Scope, channel::Channel, net::Net};

use crate::lab::{listen, shs};

async fn close_waits_for(at: &str) {
    let multi = MultiServer::new()
        .stack(shs().layer(Net::new()))
        .stack(shs().layer(Channel::global()));
    let mut server = listen(&multi, at).await;
    let mut open = Vec::new();
    for address in server.addresses(Scope::Device).expect("addresses").iter() {
        let (dialed, accepted) = tokio::join!(multi.dial(address.clone()), server.next());
        dialed.expect("dialed");
        open.push(accepted.expect("one").expect("accepted"));
    }
    let mut closed = tokio_test::task::spawn(server.shutdown().drain());
    assert!(closed.poll().is_pending());
    assert!(server.next().await.is_none());
    while let Some(connection) = open.pop() {
        assert!(closed.poll().is_pending());
        drop(connection);
    }
    closed.await;
}

#[tokio::test]
async fn all_calls_are_sync() {
    close_waits_for("channel:sync-a~shs;channel:sync-b~shs").await;
}

#[tokio::test]
async fn all_calls_are_async() {
    close_waits_for("net:localhost:0~shs;net:localhost:0~shs").await;
}

#[tokio::test]
async fn async_caller_mixed_callees() {
    close_waits_for("net:localhost:0~shs;channel:mixed~shs").await;
}
