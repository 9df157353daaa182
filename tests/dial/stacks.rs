//! Policies over real sockets.

use std::net::TcpListener as StdListener;

use tokio::time::timeout;
use tower::{Layer as _, ServiceBuilder};
use tower_multiserver::{
    ErrorKind, MultiServer, Scope,
    dial::{
        FallbackLayer, RaceLayer,
        lookup::{LookupLayer, Table},
    },
    net::Net,
    ws::Ws,
};

use crate::{
    lab::listed,
    support::{HANG, address, closed_port, echo, identity, round_trip, shs},
};

fn multi(name: &str) -> MultiServer {
    MultiServer::new()
        .stack(shs(name).layer(Net::new()))
        .stack(shs(name).layer(Ws::new()))
}

/// Somebody who listens, and never says anything.
fn mute() -> (StdListener, String) {
    let listener = StdListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("an address");
    (listener, format!("net:{at}"))
}

#[tokio::test]
async fn a_race_is_won_by_who_answers() {
    let mut server = multi("bob")
        .listen("ws://127.0.0.1:0~shs")
        .await
        .expect("listening");
    let there = server.addresses(Scope::Device).expect("an address");
    let key = identity("bob").public_key();
    let ((_mute, silent), (_reserved, gone)) = (mute(), closed_port());
    let to = format!("{silent}~shs:{key};net:{gone}~shs:{key};onion:x.onion:1~shs:{key};{there}");
    let dialer = RaceLayer::new().layer(multi("alice"));
    let both = async { tokio::join!(dialer.dial(to), server.next()) };
    let (dialed, accepted) = timeout(HANG, both).await.expect("a hang");
    let (dialed, accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );
    assert_eq!(
        accepted.info().remote_key(),
        Some(identity("alice").public_key())
    );
    tokio::join!(echo(accepted), round_trip(dialed, b"hello"));
}

#[tokio::test]
async fn a_fallback_goes_past_who_is_gone_and_stops_at_a_wrong_key() {
    let mut server = multi("bob")
        .listen("net:127.0.0.1:0~shs")
        .await
        .expect("listening");
    let there = server.addresses(Scope::Device).expect("an address");
    let bob = there.iter().next().expect("one").clone();
    let (key, eve) = (identity("bob").public_key(), identity("eve").public_key());
    let (_reserved, gone) = closed_port();
    let dialer = FallbackLayer::new().layer(multi("alice"));

    let to = format!("net:{gone}~shs:{key};{there}");
    let (dialed, accepted) = tokio::join!(dialer.dial(to), server.next());
    dialed.expect("dialed");
    accepted.expect("one").expect("accepted");

    let wrong = address(&format!("{}~shs:{eve}", bob.sections()[0]));
    let to = format!("net:{gone}~shs:{eve};{wrong};{there}");
    let (dialed, accepted) = tokio::join!(dialer.dial(to), server.next());
    let error = dialed.expect_err("a wrong key");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    accepted.expect("one").expect_err("it dialed another key");
    let kinds: Vec<_> = listed(&error).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [ErrorKind::Io, ErrorKind::Handshake]);
}

#[tokio::test]
async fn a_name_is_looked_up_and_its_addresses_raced() {
    let mut server = multi("bob")
        .listen("net:127.0.0.1:0~shs")
        .await
        .expect("listening");
    let mut known = server.addresses(Scope::Device).expect("an address");
    let key = identity("bob").public_key();
    let (_reserved, gone) = closed_port();
    known.push(address(&format!("net:{gone}~shs:{key}")));
    let table = Table::new().with("bob".parse().expect("a name"), known);
    let dialer = ServiceBuilder::new()
        .layer(LookupLayer::new(table))
        .layer(RaceLayer::new())
        .service(multi("alice"));
    let to = format!("net:{gone}~shs:{key};lookup:bob~shs:{key}");
    let (dialed, accepted) = tokio::join!(dialer.dial(to), server.next());
    assert_eq!(dialed.expect("dialed").info().remote_key(), Some(key));
    accepted.expect("one").expect("accepted");
}
