//! Several transports at once.

use tower_multiserver::{ErrorKind, MultiServer, Scope};

use crate::lab::{either, hello, listen, serve, told, ws_shs};

async fn connect_to_either_server(client: MultiServer, transport: &str) {
    let server = listen(&either(), "net:localhost:0~shs;ws://localhost:0~shs").await;
    let known = told(&server, Scope::Device).expect("addresses");
    let (_serving, seen) = serve(server);
    let to = format!("fake:peer.ignore~nul:what;{known}");
    let peer = client.dial(&*to).await.expect("dialed");
    let client = hello(peer).await;
    assert_eq!(client.address().sections()[0].name(), transport);
    let server = &seen.lock().expect("not poisoned")[0];
    assert_eq!(server.address().sections()[0].name(), transport);
}

#[tokio::test]
async fn multi_listen_and_close() {
    let mut server = listen(&either(), "net:localhost:0~shs;ws://localhost:0~shs").await;
    let to = server.addresses(Scope::Device).expect("addresses");
    server.shutdown().start();
    assert!(server.next().await.is_none());
    for address in to.iter() {
        let error = either().dial(address.clone()).await.expect_err("closed");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

#[tokio::test]
async fn connect_to_either_server_net() {
    connect_to_either_server(either(), "net").await;
}

#[tokio::test]
async fn connect_to_either_server_ws() {
    connect_to_either_server(ws_shs(), "ws").await;
}
