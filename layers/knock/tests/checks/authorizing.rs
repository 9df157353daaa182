//! Whom we expect.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::io::AsyncReadExt;
use tower_multiserver_core::{
    AllowList, BoxError, ClaimedKey, Error, ErrorKind, Peer, Role, Transform,
};
use tower_multiserver_knock::{KnockError, KnockLayer};

use crate::support::*;

#[tokio::test]
async fn a_peer_that_is_not_expected_gets_no_byte() {
    let (alice, bob) = (identity(), identity());
    let peers = AllowList::from_iter([alice.public_key()]);
    let server = KnockLayer::new(bob.clone()).authorize(peers);
    let (refused, said) = hear(server.clone(), &[&knock(&identity(), &bob)]).await;
    assert!(said.is_empty());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unauthorized);
    let (accepted, said) = hear(server, &[&knock(&alice, &bob)]).await;
    assert!(accepted.is_ok() && said.is_empty());
}

#[tokio::test]
async fn what_is_granted_becomes_a_fact_on_both_sides() {
    let (alice, bob) = (identity(), identity());
    let hook = async |peer: Peer| {
        let claimed = peer.info.get::<ClaimedKey>().is_some();
        Ok::<_, BoxError>((peer.key, claimed, peer.is_own))
    };
    let (near, far) = tokio::io::duplex(1000);
    let (client, server) = tokio::join!(
        KnockLayer::new(alice.clone())
            .authorize(hook)
            .upgrade(pipe(near), to(&bob)),
        KnockLayer::new(bob.clone())
            .authorize(hook)
            .upgrade(pipe(far), Role::Accept),
    );
    let (client, server) = (client.unwrap(), server.unwrap());
    let dialed = (bob.public_key(), false, false);
    assert_eq!(client.info().get(), Some(&dialed));
    let accepted = (alice.public_key(), true, false);
    assert_eq!(server.info().get(), Some(&accepted));
}

#[tokio::test]
async fn the_hook_is_asked_only_about_a_knock_that_is_good() {
    let (alice, bob) = (identity(), identity());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = KnockLayer::new(bob.clone()).authorize(move |_: Peer| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, BoxError>(()) }
    });
    let mut spoiled = knock(&alice, &bob);
    spoiled[96] ^= 1;
    let good = knock(&alice, &bob);
    let elsewhere = knock(&alice, &identity());
    for bad in [&spoiled[..], &elsewhere, &good[..96]] {
        let (refused, _) = hear(server.clone(), &[bad]).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Handshake);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert!(hear(server, &[&good]).await.0.is_ok());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_peer_wanted_no_longer_is_left_behind_the_knock() {
    let (alice, bob) = (identity(), identity());
    let (near, mut far) = tokio::io::duplex(1000);
    let client = KnockLayer::new(alice.clone()).authorize(AllowList::default());
    let refused = client.upgrade(pipe(near), to(&bob)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unauthorized);
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, knock(&alice, &bob));
}

#[tokio::test]
async fn a_hook_that_fails_or_panics_refuses_in_both_roles() {
    let (alice, bob) = (identity(), identity());
    let good = knock(&alice, &bob);
    let layer = KnockLayer::new(bob.clone());
    let fails = layer.clone().authorize(async |_: Peer| Err::<(), _>("no"));
    let panics = layer.authorize(async |_: Peer| -> Result<(), BoxError> {
        tokio::task::yield_now().await;
        panic!("a fault in an application")
    });

    let expect = |error: Error, kind| {
        assert_eq!(error.kind(), kind);
        assert_eq!(cause::<()>(&Err(error)), None::<KnockError>);
    };
    let (refused, said) = hear(fails.clone(), &[&good]).await;
    expect(refused.unwrap_err(), ErrorKind::Unauthorized);
    assert!(said.is_empty());
    let (refused, said) = hear(panics.clone(), &[&good]).await;
    expect(refused.unwrap_err(), ErrorKind::Other);
    assert!(said.is_empty());

    let pipes = || tokio::io::duplex(1000);
    let (near, _far) = pipes();
    let refused = fails.upgrade(pipe(near), to(&alice)).await;
    expect(refused.unwrap_err(), ErrorKind::Unauthorized);
    let (near, _far) = pipes();
    let refused = panics.upgrade(pipe(near), to(&alice)).await;
    expect(refused.unwrap_err(), ErrorKind::Other);
}
