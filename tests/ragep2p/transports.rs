//! Links over other transports than `net`.

use tower_multiserver::{
    ErrorKind,
    ragep2p::{Host, Version},
    unix::Unix,
    ws::Ws,
};

use crate::lab::{DIAL_INTERVAL, Map, dialer, host, identity, recv, wide};

#[tokio::test]
async fn a_host_listens_and_dials_over_every_transport_that_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", directory.path().join("rage").display());
    let at = format!("net:127.0.0.1:0;ws://127.0.0.1:0/rage;{unix}");
    let map = Map::default();
    let builder = Host::builder(identity(2)).listen(&*at).unwrap();
    let builder = builder.transport(Ws::new()).transport(Unix::new());
    let bob = builder.discover(map.clone()).start().await.unwrap();
    assert_eq!(bob.addresses().len(), 3);
    for (_, address) in bob.addresses() {
        let text = address.to_string();
        let layers = format!("~knock:{id}~mtls:{id}", id = bob.id());
        assert!(text.ends_with(&layers), "{text}");
        map.set(bob.id(), [crate::lab::bare(address)]);
        let alice = Host::builder(identity(1))
            .transport(Ws::new())
            .transport(Unix::new());
        let alice = alice.discover(map.clone()).dial_interval(DIAL_INTERVAL);
        let alice = alice.start().await.unwrap();
        let mut ours = alice
            .stream(bob.id(), "test")
            .limits(wide())
            .open()
            .unwrap();
        let mut theirs = bob
            .stream(alice.id(), "test")
            .limits(wide())
            .open()
            .unwrap();
        for len in [1, 1000, 1 << 20] {
            let _ = ours.send(vec![7; len]).unwrap();
            assert!(recv(&mut theirs).await == vec![7; len]);
            let _ = theirs.send(vec![8; len]).unwrap();
            assert!(recv(&mut ours).await == vec![8; len]);
        }
        alice.close().await;
    }
}

#[tokio::test]
async fn a_host_listens_only_where_it_can() {
    let listen = |at: &str| Host::builder(identity(2)).listen(at).unwrap().start();
    let error = listen("ws://127.0.0.1:0/rage").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let one = listen("net:127.0.0.1:0").await.unwrap();
    let taken = crate::lab::bare(&one.addresses()[0].1).to_string();
    let error = listen(&format!("net:127.0.0.1:0;{taken}"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(Host::builder(identity(2)).listen("").is_err());
    let never = Host::builder(identity(2))
        .dial_interval(std::time::Duration::ZERO)
        .start();
    assert!(never.await.is_err());
}

/// A link is one connection, however many ways there are.
#[tokio::test]
async fn an_address_with_layers_of_its_own_is_not_dialed() {
    let map = Map::default();
    let bob = host(2, Version::V1, &map).await;
    let alice = dialer(1, Version::V1, &map).await;
    let whole = bob.addresses()[0].1.clone();
    // The second is right, and dialed in its turn.
    map.set(bob.id(), [whole.clone(), crate::lab::bare(&whole)]);
    let ours = alice.stream(bob.id(), "test").open().unwrap();
    let mut theirs = bob.stream(alice.id(), "test").open().unwrap();
    let _ = ours.send("found").unwrap();
    assert_eq!(recv(&mut theirs).await, b"found");
}
