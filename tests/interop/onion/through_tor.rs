//! A `net~shs` server of ours as a hidden service, dialed through a real Tor.

use std::{collections::HashSet, io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{
    AllowList, Authorize, Connection, Error, ErrorKind, LocalAddr, MultiServer, PeerAddr,
    PublicKey, Scope, Section,
    net::Net,
    onion::{DIAL_TIMEOUT, Failure, Onion, Proxy, Reply},
    shs::ShsLayer,
};

use super::{
    dial, dialer, last_failure,
    tor::{ABSENT, CLOSED, Network, network},
};
use crate::harness::{PATIENCE, app_key, echo, exchange, key_of, read_to_end, send_to_end, theirs};

/// A server behind the onion service.
struct Server {
    listening: tower_multiserver::Listening,
    address: String,
    port: u16,
}

impl Server {
    async fn open(network: &Network, shs: ShsLayer<impl Authorize>) -> Self {
        let service = network.service();
        let external = format!("onion:{}:{}", network.onion, service.port);
        let external: Section = external.parse().expect("a section");
        let net = Net::new().bound(service.listener).external([external]);
        let server = MultiServer::new()
            .handshake_timeout(PATIENCE)
            .stack(ServiceBuilder::new().layer(shs).service(net));
        let listening = server.listen("net:127.0.0.1:0~shs").await.expect("bound");
        let address = listening.addresses(Scope::Public).expect("one");
        Self {
            address: address.to_string(),
            port: service.port,
            listening,
        }
    }

    async fn accept(&mut self) -> Result<Connection, Error> {
        let next = timeout(PATIENCE, self.listening.next()).await;
        next.expect("somebody comes").expect("the server is open")
    }

    /// Both ends of a connection to it.
    async fn connect(&mut self, onion: Onion) -> (Connection, Connection) {
        let address = self.address.clone();
        let dialed = async {
            loop {
                match dial(onion.clone(), &address).await {
                    Ok(dialed) => return dialed,
                    // In so small a network Tor loses a circuit now and then, and takes minutes to think of another.
                    Err(error) if error.kind() == ErrorKind::Timeout => {}
                    Err(error) => assert_eq!(last_reply(&error), Some(Reply::HostUnreachable)),
                }
            }
        };
        let both = async { tokio::join!(dialed, self.listening.next()) };
        let (dialed, accepted) = timeout(TOR, both).await.expect("Tor finds a way");
        (dialed, accepted.expect("open").expect("accepted"))
    }
}

/// How long Tor may take to find a way, in the worst case.
const TOR: Duration = Duration::from_secs(300);

fn last_reply(error: &Error) -> Option<Reply> {
    match last_failure(error) {
        Failure::Replied(reply) => Some(*reply),
        _ => None,
    }
}

fn layer() -> ShsLayer {
    ShsLayer::new(theirs()).app_key(app_key())
}

fn onion(network: &Network) -> Onion {
    Onion::new()
        .proxies([Proxy::new("127.0.0.1", network.socks)])
        .dial_timeout(2 * DIAL_TIMEOUT)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it ends in time")
}

#[tokio::test]
async fn a_mebibyte_goes_both_ways_under_the_address_that_the_server_tells() {
    let Some(network) = network() else { return };
    let mut server = Server::open(network, layer()).await;
    let (dialed, accepted) = server.connect(onion(network)).await;

    assert!(server.address.starts_with("onion:"), "{}", server.address);
    assert_eq!(dialed.info().address().to_string(), server.address);
    assert_eq!(dialed.info().remote_key(), Some(theirs().public_key()));
    assert_eq!(accepted.info().remote_key(), Some(dialer().public_key()));
    assert_eq!(dialed.info().scope(), Scope::Public);
    assert_eq!(accepted.info().scope(), Scope::Public);
    assert!(dialed.info().get::<PeerAddr>().is_none());
    assert!(dialed.info().get::<LocalAddr>().is_none());

    let (sent, echoed) = in_time(async {
        let (exchanged, echoed) = tokio::join!(exchange(dialed, 1 << 20), echo(accepted));
        assert_eq!(exchanged.0, exchanged.1);
        (exchanged.0, echoed)
    })
    .await;
    assert_eq!(sent, echoed);
}

/// Tor itself ends both directions with one.
#[tokio::test]
async fn either_side_ends_its_direction_and_the_other_goes_on() {
    let Some(network) = network() else { return };
    let mut server = Server::open(network, layer()).await;
    for dialer_ends_first in [true, false] {
        let (dialed, accepted) = server.connect(onion(network)).await;
        let (first, second) = match dialer_ends_first {
            true => (dialed, accepted),
            false => (accepted, dialed),
        };
        let (mut from_second, mut to_second) = split(first);
        let (mut from_first, mut to_first) = split(second);
        in_time(async {
            let sent = send_to_end(&mut to_second, 300_000);
            let (sent, received) = tokio::join!(sent, read_to_end(&mut from_first));
            assert_eq!(received.expect("an end"), sent);
            let answer = send_to_end(&mut to_first, 300_000);
            let (answer, received) = tokio::join!(answer, read_to_end(&mut from_second));
            assert_eq!(received.expect("an end"), answer);
        })
        .await;
    }
}

#[tokio::test]
async fn who_is_dropped_after_its_end_has_said_everything() {
    let Some(network) = network() else { return };
    let mut server = Server::open(network, layer()).await;
    for dialer_ends in [true, false] {
        let (dialed, accepted) = server.connect(onion(network)).await;
        let (mut ends, mut other) = match dialer_ends {
            true => (dialed, accepted),
            false => (accepted, dialed),
        };
        // What is never read: a plain close would answer with a reset.
        other.write_all(&[0; 10_000]).await.expect("sent");
        other.flush().await.expect("sent");
        in_time(async {
            let said = async {
                let said = send_to_end(&mut ends, 1 << 20).await;
                drop(ends);
                said
            };
            let (said, heard) = tokio::join!(said, read_to_end(&mut other));
            assert_eq!(heard.expect("an end"), said);
        })
        .await;
    }
}

#[tokio::test]
async fn a_cut_is_told_from_an_end() {
    let Some(network) = network() else { return };
    let mut server = Server::open(network, layer()).await;
    let (mut dialed, accepted) = server.connect(onion(network)).await;
    drop(accepted);
    let error = in_time(dialed.read(&mut [0])).await.expect_err("a cut");
    // Tor resets the connection when something of ours, such as a greeting, is under way and has nowhere to go.
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

#[tokio::test]
async fn a_refused_key_and_a_wrong_key_fail_the_handshake_and_not_the_proxy() {
    let Some(network) = network() else { return };
    let nobody = AllowList::from_iter([key_of("a friend")]);
    let mut server = Server::open(network, layer().authorize(nobody)).await;
    let stranger: PublicKey = key_of("somebody else");
    let other = server
        .address
        .replace(&theirs().public_key().to_string(), &stranger.to_string());
    for address in [server.address.clone(), other] {
        let (dialed, accepted) = tokio::join!(dial(onion(network), &address), server.accept());
        let error = dialed.expect_err("not let in");
        assert_eq!(error.kind(), ErrorKind::Handshake);
        let place = error.address().expect("a place").to_string();
        assert!(
            place.starts_with("onion:") && place.ends_with("~shs"),
            "{place}"
        );
        accepted.expect_err("not let in");
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_an_error_with_the_reply_of_tor() {
    let Some(network) = network() else { return };
    // It exists elsewhere.
    let unknown = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";
    for (name, port, expected) in [
        (&*network.onion, CLOSED, Reply::General),
        (&*network.onion, ABSENT, Reply::ConnectionRefused),
        (unknown, 8008, Reply::HostUnreachable),
    ] {
        let address = format!("onion:{name}:{port}");
        let error = dial(onion(network), &address).await.expect_err("nobody");
        assert_eq!(error.kind(), ErrorKind::Proxy, "{address}");
        assert_eq!(error.address().expect("a place").to_string(), address);
        assert_eq!(last_reply(&error), Some(expected), "{address}");
    }
}

#[tokio::test]
async fn isolated_peers_have_circuits_of_their_own() {
    let Some(network) = network() else { return };
    let mut server = Server::open(network, layer()).await;
    let plain = onion(network);
    let isolated = plain.clone().isolate_peers();
    let (one, other) = (
        isolated.clone().isolate_by(key_of("one")),
        isolated.clone().isolate_by(key_of("other")),
    );
    let mut open = Vec::new();
    let mut circuits = HashSet::new();
    for (onion, count) in [
        (&plain, 1),
        (&plain, 1),
        (&isolated, 2),
        (&isolated, 2),
        (&one, 3),
        (&other, 4),
        (&one, 4),
    ] {
        open.push(server.connect(onion.clone()).await);
        circuits.extend(network.circuits_to(server.port));
        assert_eq!(circuits.len(), count);
    }
}
