//! What goes over the wire of shs while another alternative has its turn.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{
    Error, Section, Transport,
    dial::RaceLayer,
    shs::handshake::{AUTH, HELLO, Server, ServerAuth},
};

use crate::support::{app_key, identity, shs};

/// Bob, who has seen the client's hello and answered it.
async fn greet(io: &mut DuplexStream) -> ServerAuth {
    let server = Server::new(&app_key(), &identity("bob")).expect("random numbers");
    let mut hello = [0; HELLO];
    io.read_exact(&mut hello).await.expect("a hello");
    let (server, hello) = server.receive_hello(&hello).expect("of our network");
    io.write_all(&hello).await.expect("sent");
    server
}

#[tokio::test(start_paused = true)]
async fn one_peer_gets_a_proof_and_the_other_when_that_has_failed() {
    let (dialed, mut peers) = mpsc::unbounded_channel();
    let pipe = tower::service_fn(move |_: Section| {
        let (near, far) = duplex(1000);
        let sent = dialed.send(far);
        async move {
            sent.expect("the test waits");
            Ok::<_, Error>(near)
        }
    });
    let transport = Transport::<_, Section>::new("pipe", pipe);
    let dialer = ServiceBuilder::new()
        .layer(RaceLayer::new().patience(Duration::from_secs(3600)))
        .layer(shs("alice"))
        .service(transport.dial_timeout(Duration::from_secs(3600)));
    let key = identity("bob").public_key();
    let dial = tokio::spawn(dialer.dial(format!("pipe:a~shs:{key};pipe:b~shs:{key}")));

    let mut first = peers.recv().await.expect("the first");
    greet(&mut first).await;
    first.read_exact(&mut [0; AUTH]).await.expect("a proof");

    let mut second = peers.recv().await.expect("the second");
    let server = greet(&mut second).await;
    let mut proof = [0; AUTH];
    let early = timeout(Duration::from_secs(60), second.read(&mut proof)).await;
    assert!(early.is_err(), "a proof while the first still has its turn");

    drop(first);
    second.read_exact(&mut proof).await.expect("a proof");
    let server = server.receive_auth(&proof).expect("alice's");
    let (accept, _) = server.accept();
    second.write_all(&accept).await.expect("sent");
    let connection = dial.await.expect("no panic").expect("connected");
    assert_eq!(connection.info().remote_key(), Some(key));
    assert_eq!(connection.info().address().sections()[0].text(), "pipe:b");
}
