//! What goes over the wire of a handshake while another alternative has its turn.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{Error, Section, Transport, dial::RaceLayer};

use crate::support::{app_key, identity};

/// One test a protocol: its name, alice's layer, and bob's side of the handshake.
macro_rules! one_peer_gets_a_proof_and_the_other_when_that_has_failed {
    ($protocol:ident, $layer:expr, $server:expr) => {
        mod $protocol {
            use tower_multiserver::$protocol::handshake::{AUTH, HELLO, ServerAuth};

            use super::*;

            /// Bob, who has seen the client's hello and answered it.
            async fn greet(io: &mut DuplexStream) -> ServerAuth {
                let mut hello = [0; HELLO];
                io.read_exact(&mut hello).await.expect("a hello");
                let (server, hello) = $server.receive_hello(&hello).expect("of our network");
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
                let long = Duration::from_secs(3600);
                let dialer = ServiceBuilder::new()
                    .layer(RaceLayer::new().patience(long))
                    .layer($layer)
                    .service(Transport::<_, Section>::new("pipe", pipe).dial_timeout(long));
                let key = identity("bob").public_key();
                let (a, b) = (proves("pipe:a", key), proves("pipe:b", key));
                let dial = tokio::spawn(dialer.dial(format!("{a};{b}")));

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

            fn proves(transport: &str, key: tower_multiserver::PublicKey) -> String {
                format!("{transport}~{}:{key}", stringify!($protocol))
            }
        }
    };
}

one_peer_gets_a_proof_and_the_other_when_that_has_failed!(
    shs,
    crate::support::shs("alice"),
    tower_multiserver::shs::handshake::Server::new(&app_key(), &identity("bob"))
        .expect("random numbers")
);

one_peer_gets_a_proof_and_the_other_when_that_has_failed!(
    noise,
    tower_multiserver::noise::NoiseLayer::new(identity("alice")).app_key(app_key()),
    tower_multiserver::noise::handshake::Server::new(&app_key(), &identity("bob"))
);
