//! Peers as tower discovers them.

use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::json;
use tower::discover::Change;
use tower_multiserver::{
    PublicKey,
    peer_socket::{Discovered, MemoryHub, Swarm},
};

use crate::lab::{peers, room, socket, until};

/// What there is to be told: whose, and whether it came.
fn changes(discovered: &mut Discovered) -> Vec<(PublicKey, bool)> {
    let mut changes = Vec::new();
    while let Some(Some(Ok(change))) = discovered.next().now_or_never() {
        changes.push(match change {
            Change::Insert(key, socket) => {
                assert_eq!(socket.id(), key);
                (key, true)
            }
            Change::Remove(key) => (key, false),
        });
    }
    changes
}

fn key(swarm: &Swarm) -> PublicKey {
    swarm.loopback().id()
}

#[tokio::test]
async fn who_is_there_and_who_comes_is_inserted_and_who_goes_removed() {
    let hub = MemoryHub::new();
    let alice = peers(hub.clone()).join(room()).await.unwrap();
    let bob = peers(hub.clone()).join(room()).await.unwrap();
    until(|| alice.sockets().len() == 1).await;
    let mut discovered = alice.discover();
    let carol = peers(hub).join(room()).await.unwrap();
    until(|| alice.sockets().len() == 2).await;
    let came = [(key(&bob), true), (key(&carol), true)];
    assert_eq!(changes(&mut discovered), came);
    bob.close().await;
    until(|| alice.sockets().len() == 1).await;
    assert_eq!(changes(&mut discovered), [(key(&bob), false)]);
    alice.close().await;
    assert_eq!(changes(&mut discovered), [(key(&carol), false)]);
    assert!(discovered.next().await.is_none());
}

#[tokio::test]
async fn who_comes_back_is_removed_before_and_who_falls_behind_learns_of_all() {
    let hub = MemoryHub::new();
    let alice = peers(hub.clone()).join(room()).await.unwrap();
    let bobs = peers(hub.clone());
    let mut discovered = alice.discover();
    let bob = bobs.join(room()).await.unwrap();
    until(|| alice.sockets().len() == 1).await;
    assert_eq!(changes(&mut discovered), [(key(&bob), true)]);
    bob.close().await;
    let bob = bobs.join(room()).await.unwrap();
    let to_bob = socket(&alice).await;
    let back = [(key(&bob), false), (key(&bob), true)];
    assert_eq!(changes(&mut discovered), back);

    // He comes back, and another comes, while more happens than is remembered.
    bob.close().await;
    to_bob.closed().await;
    let bob = bobs.join(room()).await.unwrap();
    let carol = peers(hub).join(room()).await.unwrap();
    until(|| alice.sockets().len() == 2).await;
    let to_carol = alice.socket(&key(&carol)).unwrap();
    for n in 0..300 {
        carol.loopback().set_session_data(json!(n)).unwrap();
        until(|| *to_carol.session_data().borrow() == Some(json!(n))).await;
    }
    let all = [(key(&bob), false), (key(&bob), true), (key(&carol), true)];
    assert_eq!(changes(&mut discovered), all);
}
