//! Who may connect.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_multiserver_core::{
    AllowList, AppKey, Authorize, BoxError, Connection, ErrorKind, HalfClose, Identity, Peer,
    RemoteKey, Role, Transform,
};
use tower_multiserver_noise::{
    NoiseLayer,
    handshake::{ACCEPT, AUTH, Client, HELLO, HandshakeError},
};

use crate::support::*;

#[tokio::test]
async fn what_is_granted_becomes_a_fact_with_the_proven_key() {
    let (alice, bob) = (identity(), identity());
    let server = NoiseLayer::new(bob.clone()).authorize(async |peer: Peer| {
        Ok::<_, BoxError>(format!("{} from {:?}", peer.key, peer.info.address()))
    });
    let (client, server) = meet(NoiseLayer::new(alice.clone()), server, to(&bob)).await;
    let (client, server) = (client.unwrap(), server.unwrap());
    let granted: &String = server.info().get().unwrap();
    assert!(
        granted.starts_with(&alice.public_key().to_string()),
        "{granted}"
    );
    assert!(
        granted.contains("pipe") && !granted.contains("~noise"),
        "{granted}"
    );

    assert_eq!(server.info().get(), Some(&RemoteKey(alice.public_key())));
    assert_eq!(client.info().get(), Some(&RemoteKey(bob.public_key())));
    let address = |key| format!("pipe~noise:{key}");
    assert_eq!(
        server.info().address().to_string(),
        address(alice.public_key())
    );
    assert_eq!(
        client.info().address().to_string(),
        address(bob.public_key())
    );
    assert!(client.info().get() == Some(&HalfClose) && server.info().has_half_close());
}

/// A server's answer to a client whose proof was made by `make`, byte by byte, and its error.
async fn refusal<A: Authorize>(
    server: NoiseLayer<A>,
    make: impl FnOnce(Client, [u8; HELLO]) -> [u8; AUTH],
    client: (Client, [u8; HELLO]),
) -> (Vec<u8>, tower_multiserver_core::Error) {
    let (mut near, far) = tokio::io::duplex(1000);
    let talk = async {
        near.write_all(&client.1).await.unwrap();
        let mut hello = [0; HELLO];
        near.read_exact(&mut hello).await.unwrap();
        near.write_all(&make(client.0, hello)).await.unwrap();
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        rest
    };
    let (rest, upgraded) = tokio::join!(talk, server.upgrade(pipe(far), Role::Accept));
    (rest, upgraded.unwrap_err())
}

#[tokio::test]
async fn every_refusal_looks_alike_to_the_client() {
    let bob = identity();
    let server = NoiseLayer::new(bob.clone()).authorize(AllowList::default());
    let client = || Client::new(&AppKey::SSB, &identity(), bob.public_key()).unwrap();
    let honest = |client: Client, hello| client.receive_hello(&hello).unwrap().1;

    let unwanted = refusal(server.clone(), honest, client()).await;
    let garbage = refusal(server, |_, _| [7; AUTH], client()).await;
    for (rest, _) in [&unwanted, &garbage] {
        assert!(rest.is_empty());
    }
    assert_eq!(unwanted.1.kind(), ErrorKind::Unauthorized);
    assert_eq!(garbage.1.kind(), ErrorKind::Handshake);
}

#[tokio::test]
async fn a_list_lets_in_who_is_on_it() {
    let (alice, bob) = (identity(), identity());
    let friends = AllowList::from_iter([alice.public_key()]);
    let server = NoiseLayer::new(bob.clone()).authorize(friends);
    for (client, is_friend) in [(alice, true), (identity(), false)] {
        let (client, server) = meet(NoiseLayer::new(client), server.clone(), to(&bob)).await;
        assert_eq!((client.is_ok(), server.is_ok()), (is_friend, is_friend));
        if !is_friend {
            assert_eq!(client.unwrap_err().kind(), ErrorKind::Handshake);
            assert_eq!(server.unwrap_err().kind(), ErrorKind::Unauthorized);
        }
    }
}

async fn met(server: NoiseLayer<impl Authorize>, bob: &Identity) -> (Upgraded, Upgraded) {
    meet(NoiseLayer::new(identity()), server, to(bob)).await
}

#[tokio::test]
async fn a_hook_that_fails_or_panics_refuses_and_harms_nobody() {
    let bob = identity();
    let layer = NoiseLayer::new(bob.clone());
    let fails = async |_: Peer| Err::<(), _>("no");
    let (client, server) = met(layer.clone().authorize(fails), &bob).await;
    assert_eq!(cause(&client), Some(HandshakeError::AuthRefused));
    let refusal = server.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unauthorized);
    assert_eq!(
        std::error::Error::source(&refusal).unwrap().to_string(),
        "no"
    );

    async fn panics(_: Peer) -> Result<(), BoxError> {
        tokio::task::yield_now().await;
        panic!("a fault in an application")
    }
    let (client, server) = met(layer.clone().authorize(panics), &bob).await;
    assert_eq!(cause(&client), Some(HandshakeError::AuthRefused));
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Other);

    let (client, server) = met(layer, &bob).await;
    assert!(client.is_ok() && server.is_ok());
}

#[tokio::test]
async fn our_own_key_is_told_and_may_be_refused() {
    let bob = identity();
    let layer = NoiseLayer::new(bob.clone());
    let is_own = async |peer: Peer| Ok::<_, BoxError>(peer.is_own);
    let asking = layer.clone().authorize(is_own);
    for (client, expected) in [(bob.clone(), true), (identity(), false)] {
        let (_, server) = meet(NoiseLayer::new(client), asking.clone(), to(&bob)).await;
        assert_eq!(server.unwrap().info().get(), Some(&expected));
    }

    let (client, server) = meet(layer.clone(), layer.clone(), to(&bob)).await;
    assert!(client.is_ok() && server.is_ok());
    let others = layer
        .clone()
        .authorize(async |peer: Peer| match peer.is_own {
            true => Err("that is us"),
            false => Ok(()),
        });
    let (client, server) = meet(layer, others, to(&bob)).await;
    assert_eq!(cause(&client), Some(HandshakeError::AuthRefused));
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_client_that_is_let_in_hears_it_only_after_the_hook_has_answered() {
    let bob = identity();
    let (ask, asked) = tokio::sync::oneshot::channel();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let hook = std::sync::Arc::new(std::sync::Mutex::new(Some((ask, answered))));
    let server = NoiseLayer::new(bob.clone()).authorize(move |_: Peer| {
        let hook = hook.lock().unwrap().take();
        async move {
            let (ask, answered) = hook.ok_or("asked twice")?;
            ask.send(()).map_err(|()| "nobody asked")?;
            answered.await.map_err(|_| "nobody answered")
        }
    });
    let (mut near, far) = tokio::io::duplex(1000);
    let (client, hello) = Client::new(&AppKey::SSB, &identity(), bob.public_key()).unwrap();
    let talk = async {
        near.write_all(&hello).await.unwrap();
        let mut hello = [0; HELLO];
        near.read_exact(&mut hello).await.unwrap();
        let (client, auth) = client.receive_hello(&hello).unwrap();
        near.write_all(&auth).await.unwrap();
        asked.await.unwrap();
        let mut accept = [0; ACCEPT];
        let read = near.read_exact(&mut accept);
        let mut read = tokio_test::task::spawn(read);
        tokio_test::assert_pending!(read.poll());
        answer.send(7_u8).unwrap();
        read.await.unwrap();
        client.receive_accept(&accept).unwrap();
    };
    let ((), server) = tokio::join!(talk, server.upgrade(pipe(far), Role::Accept));
    let server: Connection<_> = server.unwrap();
    assert_eq!(server.info().get(), Some(&7_u8));
}
