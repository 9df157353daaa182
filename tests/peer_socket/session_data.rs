//! What peers say of themselves.

use futures_util::StreamExt as _;
use serde_json::json;
use tower_multiserver::{
    ErrorKind,
    peer_socket::{MemoryHub, SwarmEvent},
};

use crate::lab::{json, peers, recv, room, socket};

#[tokio::test]
async fn what_is_set_before_is_known_before_the_first_message() {
    let hub = MemoryHub::new();
    let a = peers(hub.clone());
    let a = a.join_with(room(), json!({"name": "alice"})).await.unwrap();
    let b = peers(hub).join(room()).await.unwrap();
    let to_a = socket(&b).await;
    assert_eq!(
        *to_a.session_data().borrow(),
        Some(json!({"name": "alice"}))
    );
    assert_eq!(*socket(&a).await.session_data().borrow(), None);
}

#[tokio::test]
async fn a_change_is_told_and_precedes_what_is_sent_after_it() {
    let hub = MemoryHub::new();
    let a = peers(hub.clone()).join_with(room(), 1).await.unwrap();
    let b = peers(hub).join(room()).await.unwrap();
    let (to_b, to_a) = (socket(&a).await, socket(&b).await);
    let mut data = to_a.session_data();
    let mut events = b.events();
    a.loopback().set_session_data(2).unwrap();
    to_b.send(json!("then")).await.unwrap();
    assert_eq!(json(&to_a).await, json!("then"));
    assert!(data.has_changed().unwrap());
    assert_eq!(*data.borrow_and_update(), Some(json!(2)));
    assert_eq!(events.next().await, Some(SwarmEvent::SessionData(to_a)));
}

#[tokio::test]
async fn it_has_256_bytes_at_most() {
    let hub = MemoryHub::new();
    let longest = json!("x".repeat(254));
    let peers_a = peers(hub.clone());
    let refused = peers_a.join_with(room(), "x".repeat(255)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Limit);
    let a = peers_a.join_with(room(), longest.clone()).await.unwrap();
    let error = a.loopback().set_session_data("x".repeat(255)).unwrap_err();
    assert_eq!(error.len, 257);
    let b = peers(hub).join(room()).await.unwrap();
    let to_a = socket(&b).await;
    assert_eq!(*to_a.session_data().borrow(), Some(longest));
    drop(a);
    assert_eq!(recv(&to_a).await, None);
}
