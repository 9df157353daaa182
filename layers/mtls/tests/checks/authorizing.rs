//! Who may connect.

use std::{error::Error as _, io::ErrorKind::UnexpectedEof};

use rustls::SignatureScheme;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};
use tower_multiserver_core::{
    AllowList, Authorize, BoxError, ClaimedKey, Error, ErrorKind, Peer, PeerId, RemoteKey, Role,
    Transform,
};
use tower_multiserver_mtls::{MtlsLayer, Reason};

use crate::{raw, support::*};

/// A server with `hook`, met by a client of its own.
async fn met(hook: impl Authorize) -> (Upgraded, Upgraded) {
    let bob = identity();
    let server = MtlsLayer::new(bob.clone()).authorize(hook);
    meet(MtlsLayer::new(identity()), server, to(&bob)).await
}

/// What the client of a server that refuses learns.
async fn learned(client: Upgraded) -> Reason {
    let mut client = client.unwrap();
    let mut heard = Vec::new();
    let error = in_time(client.read_to_end(&mut heard)).await.unwrap_err();
    assert!(heard.is_empty());
    let (kind, reason, at) = failure(&error);
    assert_eq!((kind, &at), (UnexpectedEof, client.info().address()));
    assert_eq!(Error::from(error).kind(), ErrorKind::Handshake);
    reason
}

#[tokio::test]
async fn what_is_granted_becomes_a_fact_with_the_proven_key() {
    let (alice, bob) = (identity(), identity());
    let server = MtlsLayer::new(bob.clone()).authorize(async |peer: Peer| {
        let claim = peer.info.get().map(|ClaimedKey(key)| *key == peer.key);
        Ok::<_, BoxError>((peer.key, claim, peer.info.address().to_string()))
    });
    let (near, far) = tokio::io::duplex(1000);
    let (client, server) = tokio::join!(
        MtlsLayer::new(alice.clone()).upgrade(pipe(near), to(&bob)),
        server.upgrade(claimed(far, &alice), Role::Accept),
    );
    client.unwrap();
    let server = server.unwrap();
    let key = alice.public_key();
    // It was asked with what the layers below know.
    let granted = (key, Some(true), "pipe".to_owned());
    assert_eq!(server.info().get(), Some(&granted));
    assert_eq!(server.info().get(), Some(&RemoteKey(key)));
    let address = format!("pipe~mtls:{}", PeerId::from(key));
    assert_eq!(server.info().address().to_string(), address);
}

#[tokio::test]
async fn a_list_lets_in_who_is_on_it() {
    let (alice, bob) = (identity(), identity());
    let friends = AllowList::from_iter([alice.public_key()]);
    let server = MtlsLayer::new(bob.clone()).authorize(friends);
    for (dialer, is_friend) in [(alice, true), (identity(), false)] {
        let (client, server) = meet(MtlsLayer::new(dialer), server.clone(), to(&bob)).await;
        match server {
            Ok(mut server) => {
                assert!(is_friend);
                server.write_all(b"hello").await.unwrap();
                server.flush().await.unwrap();
                client.unwrap().read_exact(&mut [0; 5]).await.unwrap();
            }
            Err(error) => {
                assert!(!is_friend);
                assert_eq!(error.kind(), ErrorKind::Unauthorized);
                assert_eq!(learned(client).await, Reason::Gone);
            }
        }
    }
}

#[tokio::test]
async fn a_hook_that_fails_or_panics_refuses_and_harms_nobody() {
    let (client, server) = met(async |_: Peer| Err::<(), _>("no")).await;
    assert_eq!(learned(client).await, Reason::Gone);
    let refusal = server.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unauthorized);
    assert_eq!(refusal.source().unwrap().to_string(), "no");

    async fn panics(_: Peer) -> Result<(), BoxError> {
        tokio::task::yield_now().await;
        panic!("a fault in an application")
    }
    let (client, server) = met(panics).await;
    assert_eq!(learned(client).await, Reason::Gone);
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Other);
}

#[tokio::test]
async fn our_own_key_is_told_and_may_be_refused() {
    let bob = identity();
    let asking = MtlsLayer::new(bob.clone()).authorize(async |peer: Peer| match peer.is_own {
        true => Err("that is us"),
        false => Ok(7_u8),
    });
    let (_, server) = meet(MtlsLayer::new(bob.clone()), asking.clone(), to(&bob)).await;
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Unauthorized);
    let (_, server) = meet(MtlsLayer::new(identity()), asking, to(&bob)).await;
    assert_eq!(server.unwrap().info().get(), Some(&7_u8));
}

#[tokio::test]
async fn nobody_is_asked_about_a_key_that_is_not_proved() {
    let (alice, bob) = (identity(), identity());
    let server = MtlsLayer::new(bob.clone()).authorize(async |_: Peer| Err::<(), _>("asked"));
    let (near, far) = tokio::io::duplex(1000);
    // The certificate of one, the signature of another.
    let theft = raw::showing(
        vec![raw::certificate(&raw::key_pair(&alice))],
        &raw::key_pair(&identity()),
        SignatureScheme::ED25519,
    );
    let (_, server) = tokio::join!(
        told(raw::client(Some(theft)), near),
        server.upgrade(pipe(far), Role::Accept),
    );
    assert_eq!(reason(&server), Some(Reason::Unproven));
}

/// On the wire: nothing comes before the answer, and after a refusal nothing but the end of the transport.
#[tokio::test]
async fn a_client_hears_nothing_before_the_answer_and_nothing_at_all_if_it_is_refused() {
    let bob = identity();
    let (ask, asked) = oneshot::channel();
    let (answer, answered) = oneshot::channel::<()>();
    let hook = std::sync::Arc::new(std::sync::Mutex::new(Some((ask, answered))));
    let server = MtlsLayer::new(bob.clone()).authorize(move |_: Peer| {
        let hook = hook.lock().unwrap().take();
        async move {
            let (ask, answered) = hook.ok_or("asked twice")?;
            ask.send(()).map_err(|()| "nobody asked")?;
            let _ = answered.await;
            Err::<(), _>("no")
        }
    });
    let (near, far) = tokio::io::duplex(10_000);
    let talk = async {
        let config = raw::client(Some(raw::honest(&identity())));
        let mut tls = raw::connect(config, near).await.unwrap();
        tls.write_all(b"let me in").await.unwrap();
        tls.flush().await.unwrap();
        asked.await.unwrap();
        let (mut io, _) = tls.into_inner();
        let mut heard = Vec::new();
        {
            let mut end = tokio_test::task::spawn(io.read_to_end(&mut heard));
            tokio_test::assert_pending!(end.poll());
            drop(answer);
            end.await.unwrap();
        }
        assert!(heard.is_empty(), "{heard:x?}");
    };
    let upgrade = server.upgrade(pipe(far), Role::Accept);
    let ((), server) = in_time(async { tokio::join!(talk, upgrade) }).await;
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Unauthorized);
}
