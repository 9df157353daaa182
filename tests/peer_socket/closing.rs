//! How sockets and swarms end.

use serde_json::json;
use tokio::time::timeout;
use tower_multiserver::peer_socket::{CloseReason, ReadyState, SendError};

use crate::lab::{Lab, PATIENCE, json, pair, peers, recv, room, socket};

/// On two threads, so that one may look while the other has the socket half closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_learns_that_a_socket_is_closed_finds_it_in_no_swarm() {
    for _ in 0..200 {
        let ([_a, b], [to_b, to_a]) = pair().await;
        let close = tokio::spawn(async move { to_b.close().await });
        let reason = timeout(PATIENCE, to_a.closed()).await.unwrap();
        assert_eq!(b.sockets(), []);
        assert_eq!((reason, b.socket(&to_a.id())), (CloseReason::Remote, None));
        close.await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_socket_is_over_at_both_ends_after_what_was_sent() {
    let ([a, b], [to_b, to_a]) = pair().await;
    for n in 0..50 {
        to_b.send(json!(n)).await.unwrap();
    }
    to_b.close().await;
    assert_eq!(to_b.ready_state(), ReadyState::Closed);
    assert_eq!(to_b.close_reason(), Some(CloseReason::Local));
    assert_eq!(a.socket(&to_b.id()), None);
    assert_eq!(to_b.send(json!("late")).await, Err(SendError::Closed));
    assert_eq!(recv(&to_b).await, None);
    for n in 0..50 {
        assert_eq!(json(&to_a).await, json!(n));
    }
    assert_eq!(recv(&to_a).await, None);
    assert_eq!(to_a.closed().await, CloseReason::Remote);
    assert_eq!(b.socket(&to_a.id()), None);
    // Again, and from the other end.
    to_b.close().await;
    to_a.close().await;
    assert_eq!(to_b.close_reason(), Some(CloseReason::Local));
    assert_eq!(to_a.close_reason(), Some(CloseReason::Remote));
}

#[tokio::test]
async fn a_closed_swarm_is_over_and_may_be_closed_again() {
    let ([a, b], [to_b, to_a]) = pair().await;
    to_b.send(json!("goodbye")).await.unwrap();
    tokio::join!(a.close(), a.close());
    assert_eq!(a.ready_state(), ReadyState::Closed);
    assert_eq!(to_b.close_reason(), Some(CloseReason::Local));
    assert_eq!(json(&to_a).await, json!("goodbye"));
    assert_eq!(recv(&to_a).await, None);
    assert_eq!(to_a.close_reason(), Some(CloseReason::Remote));
    assert!(b.sockets().is_empty());
    assert_eq!(to_b.swarm(), Some(a.clone()));
    a.close().await;
}

#[tokio::test]
async fn both_may_close_at_once() {
    let ([a, b], [to_b, to_a]) = pair().await;
    tokio::join!(to_a.close(), to_b.close());
    assert_eq!((a.sockets().len(), b.sockets().len()), (0, 0));
    tokio::join!(a.close(), b.close());
}

#[tokio::test(start_paused = true)]
async fn a_close_does_not_wait_for_ever_for_a_peer_that_does_not_read() {
    let (_swarms, [to_b, to_a]) = pair().await;
    let flood = async { while to_b.send(vec![0; 100_000]).await.is_ok() {} };
    let close = async {
        tokio::task::yield_now().await;
        to_b.close().await;
    };
    tokio::join!(flood, close);
    assert_eq!(to_b.close_reason(), Some(CloseReason::Local));
    drop(to_a);
}

#[tokio::test]
async fn a_cut_connection_is_not_taken_for_a_close() {
    let lab = Lab::default();
    let (alice, bob) = (peers(lab.clone()), peers(lab.clone()));
    let (a, b) = (
        alice.join(room()).await.unwrap(),
        bob.join(room()).await.unwrap(),
    );
    let cable = lab.connect(alice.public_key(), bob.public_key()).await;
    let (to_b, to_a) = (socket(&a).await, socket(&b).await);
    assert!(to_b.is_initiator() && !to_a.is_initiator());
    cable.cut().await;
    for socket in [&to_a, &to_b] {
        assert_eq!(recv(socket).await, None);
        assert_eq!(socket.close_reason(), Some(CloseReason::Reset));
        assert_eq!(socket.send(json!(0)).await, Err(SendError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_given_up_and_one_that_has_nothing_to_say_is_not() {
    let lab = Lab::default();
    let (alice, bob) = (peers(lab.clone()), peers(lab.clone()));
    let (a, b) = (
        alice.join(room()).await.unwrap(),
        bob.join(room()).await.unwrap(),
    );
    let _cable = lab.connect(alice.public_key(), bob.public_key()).await;
    let (to_b, _to_a) = (socket(&a).await, socket(&b).await);
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    assert_eq!(to_b.close_reason(), None);

    let carol = bob.with_debug_identity(1).public_key();
    let mut wire = lab.wire(alice.public_key(), carol).await;
    let (open, _) = wire.opening().await;
    wire.send(&open).await;
    while a.socket(&carol).is_none() {
        tokio::task::yield_now().await;
    }
    let to_carol = a.socket(&carol).unwrap();
    let reason = timeout(PATIENCE, to_carol.closed()).await;
    assert_eq!(reason, Ok(CloseReason::Timeout));
}
