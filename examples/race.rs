//! One peer under a name, with an address that hangs, one that is gone and two that work: raced, then tried in turn.
//!
//! ```console
//! $ cargo run --example race
//! the table says that bob is at
//!   net:127.0.0.1:40123~shs:…
//!   onion:…
//!   ws://127.0.0.1:40125/~shs:…
//!   net:127.0.0.1:40126~shs:…
//! the race was won by ws://127.0.0.1:40125/~shs:…
//! somebody else answered: handshake failed at `net:127.0.0.1:40126~shs`
//!   net:127.0.0.1:1~shs:… transport failed at `net:127.0.0.1:1`
//!   net:127.0.0.1:40126~shs:… handshake failed at `net:127.0.0.1:40126~shs`
//! ```

use std::{error::Error as _, net::TcpListener};

use tower::{BoxError, Layer as _, ServiceBuilder, service_fn};
use tower_multiserver::{
    Connection, ErrorKind, Identity, MultiAddress, MultiServer, Scope,
    dial::{
        Attempts, FallbackLayer, RaceLayer,
        lookup::{LookupLayer, Table},
    },
    net::Net,
    shs::ShsLayer,
    ws::Ws,
};

fn multi_server(identity: &Identity) -> MultiServer {
    let shs = ShsLayer::new(identity.clone());
    MultiServer::new()
        .stack(ServiceBuilder::new().layer(shs.clone()).service(Net::new()))
        .stack(ServiceBuilder::new().layer(shs).service(Ws::new()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (alice, bob) = (Identity::generate()?, Identity::generate()?);
    let server = multi_server(&bob)
        .listen("ws://127.0.0.1:0~shs;net:127.0.0.1:0~shs")
        .await?;
    let working = server.addresses(Scope::Device).ok_or("on this machine")?;
    let handler = service_fn(async |_: Connection| Ok::<_, BoxError>(()));
    let serving = tokio::spawn(server.serve(handler, std::future::pending()));

    // Somebody who never says a word, and a protocol that this program does not speak.
    let mute = TcpListener::bind("127.0.0.1:0")?;
    let key = bob.public_key();
    let mut known: MultiAddress = format!(
        "net:{}~shs:{key};onion:bob.onion:8008~shs:{key}",
        mute.local_addr()?
    )
    .parse()?;
    known.extend(working.clone());
    println!("the table says that bob is at");
    for address in &known {
        println!("  {address}");
    }

    let race = ServiceBuilder::new()
        .layer(LookupLayer::new(Table::new().with("bob".parse()?, known)))
        .layer(RaceLayer::new())
        .service(multi_server(&alice));
    let peer = race.dial(format!("lookup:bob~shs:{key}")).await?;
    println!("the race was won by {}", peer.info().address());
    assert_eq!(peer.info().remote_key(), Some(key));
    let winner = peer.info().address();
    assert!(working.iter().any(|address| address == winner));

    // A fallback goes past who is not there, but not past who turns out to be another.
    let carol = Identity::generate()?.public_key();
    let fallback = FallbackLayer::new().layer(multi_server(&alice));
    let net = working
        .iter()
        .nth(1)
        .ok_or("two addresses")?
        .transport()
        .to_string();
    let to = format!("net:127.0.0.1:1~shs:{carol};{net}~shs:{carol};{working}");
    let error = fallback.dial(to).await.err().ok_or("it is bob")?;
    println!("somebody else answered: {error}");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    let attempts = error
        .source()
        .and_then(|source| source.downcast_ref::<Attempts>());
    let attempts = attempts.ok_or("more than one attempt")?;
    for (address, error) in attempts.iter() {
        println!("  {address} {error}");
    }
    assert_eq!(attempts.iter().len(), 2);

    serving.abort();
    Ok(())
}
