//! Dialing by key and listening.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{
    ErrorKind, LocalAddr, PeerAddr, RemoteKey, Scope, Shutdown, StackExt,
    hyperswarm::{Handshake, HyperDht},
    noauth::NoauthLayer,
    noise::NoiseLayer,
    shs::ShsLayer,
};

use crate::lab::{Lab, PATIENCE, identity, pair, serve};

#[tokio::test]
async fn both_ends_know_the_other_by_a_proven_key() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (dialed, accepted) = pair(&lab, &mut server, 2).await;
    let (dialed, accepted) = (dialed.info(), accepted.info());

    assert_eq!(dialed.remote_key(), Some(identity(1).public_key()));
    assert_eq!(accepted.remote_key(), Some(identity(2).public_key()));
    assert_eq!(
        dialed.address().to_string(),
        server.node.section().to_string()
    );
    assert!(accepted.address().to_string().starts_with("hyperdht:"));
    for info in [dialed, accepted] {
        assert_eq!(info.scope(), Scope::Public);
        assert!(info.has_half_close());
    }
    let hash = |info: &tower_multiserver::Info| *info.get::<Handshake>().unwrap();
    assert_eq!(hash(dialed).hash, hash(accepted).hash);
    assert!(hash(dialed).is_initiator && !hash(accepted).is_initiator);
    let peer_of_server = accepted.get::<PeerAddr>().unwrap().0;
    assert_eq!(peer_of_server, dialed.get::<LocalAddr>().unwrap().0);
    assert_eq!(accepted.all::<RemoteKey>().count(), 1);
}

#[tokio::test]
async fn what_is_advertised_is_what_is_dialed() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let [(scope, address)] = server.incoming.addresses() else {
        panic!("one address");
    };
    assert_eq!(*scope, Scope::Public);
    let stack = HyperDht::new(lab.node(2).await);
    let dial = stack.dial(address.clone());
    let (dialed, accepted) = tokio::join!(dial, server.incoming.next());
    dialed.unwrap().write_all(b"hello").await.unwrap();
    let mut text = [0; 5];
    accepted
        .unwrap()
        .unwrap()
        .read_exact(&mut text)
        .await
        .unwrap();
    assert_eq!(&text, b"hello");
}

#[tokio::test]
async fn a_peer_may_be_silent_for_ever_where_that_is_set() {
    let lab = Lab::new().await;
    let node = lab.builder(1).idle_timeout(Duration::MAX).spawn().await;
    let mut server = serve(node.unwrap()).await;
    let (mut dialed, mut accepted) = pair(&lab, &mut server, 2).await;
    let mut text = [0; 5];
    accepted.write_all(b"hello").await.unwrap();
    dialed.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"hello");
}

#[tokio::test]
async fn a_key_that_nobody_announced_is_not_found() {
    let lab = Lab::new().await;
    let stack = HyperDht::new(lab.node(2).await);
    let address = format!(
        "hyperdht:{}",
        hex::encode(identity(9).public_key().as_bytes())
    );
    let error = stack.dial(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[tokio::test]
async fn a_node_listens_once_and_under_its_own_key_only() {
    let lab = Lab::new().await;
    let server = lab.server(1).await;
    let stack = HyperDht::new(server.node.clone());
    let (_shutdown, closing) = Shutdown::new();
    let again = stack.listen("hyperdht", closing.clone()).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Io);
    let other = hex::encode(identity(9).public_key().as_bytes());
    let other = stack.listen(format!("hyperdht:{other}"), closing).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_refused_peer_gets_no_answer_and_a_granted_one_has_the_grant() {
    let lab = Lab::new().await;
    let friend = identity(2).public_key();
    let node = lab
        .builder(1)
        .authorize(move |peer: tower_multiserver::Peer| async move {
            match peer.key == friend {
                true => Ok("friend"),
                false => Err("a stranger"),
            }
        });
    let mut server = crate::lab::serve(node.spawn().await.unwrap()).await;
    let stranger = HyperDht::new(lab.node(3).await);
    let refused = stranger.dial(server.node.section().to_string()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Io);
    let (_dialed, accepted) = pair(&lab, &mut server, 2).await;
    assert_eq!(accepted.info().get::<&str>(), Some(&"friend"));
}

#[tokio::test]
async fn shs_and_noise_go_over_it_and_noauth_does_not() {
    let lab = Lab::new().await;
    let node = lab.node(1).await;
    let client = lab.node(2).await;
    let shs = |node, seed| {
        ServiceBuilder::new()
            .layer(ShsLayer::new(identity(seed)))
            .service(HyperDht::new(node))
    };
    let noise = |node, seed| {
        ServiceBuilder::new()
            .layer(NoiseLayer::new(identity(seed)))
            .service(HyperDht::new(node))
    };
    macro_rules! speaks {
        ($stack:ident, $address:literal) => {{
            let (_shutdown, closing) = Shutdown::new();
            let mut incoming = $stack(node.clone(), 1)
                .listen($address, closing)
                .await
                .unwrap();
            let (_, address) = incoming.addresses()[0].clone();
            let client = $stack(client.clone(), 2);
            let (dialed, accepted) = tokio::join!(client.dial(address), incoming.next());
            let mut accepted = accepted.unwrap().unwrap();
            let mut dialed = dialed.unwrap();
            dialed.write_all(b"secret").await.unwrap();
            dialed.shutdown().await.unwrap();
            let mut text = String::new();
            let read = accepted.read_to_string(&mut text);
            timeout(PATIENCE, read).await.unwrap().unwrap();
            assert_eq!(text, "secret");
        }};
    }
    speaks!(shs, "hyperdht~shs");
    speaks!(noise, "hyperdht~noise");

    let mut server = crate::lab::serve(node).await;
    let stack = ServiceBuilder::new()
        .layer(NoauthLayer::new(identity(2).public_key()))
        .service(HyperDht::new(client));
    let dial = stack.dial(format!("{}~noauth", server.node.section()));
    let (error, _) = tokio::join!(dial, server.incoming.next());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unauthorized);
}
