//! How a server moves its peers from one protocol to the next: it speaks both for a while, and nobody negotiates.

use serde_json::json;
use tokio::time::timeout;
use tower::ServiceBuilder;
use tower_multiserver::{
    Connection, Identity, Listening, MultiServer, Scope, net::Net, noise::NoiseLayer, shs::ShsLayer,
};

use crate::harness::{Half, PATIENCE, Peer, app_key, echo, exchange, key_of, ours, seed, theirs};

/// Who speaks both.
fn new(words: Option<&str>) -> MultiServer {
    let identity = words.map_or_else(ours, |words| Identity::from_seed(&seed(words)));
    let noise = NoiseLayer::new(identity.clone()).app_key(app_key());
    let shs = ShsLayer::new(identity).app_key(app_key());
    let net = ServiceBuilder::new().service(Net::new().dial_timeout(PATIENCE));
    MultiServer::new()
        .handshake_timeout(PATIENCE)
        .stack(ServiceBuilder::new().layer(noise).service(net.clone()))
        .stack(ServiceBuilder::new().layer(shs).service(net))
}

async fn accept(server: &mut Listening) -> Connection {
    let next = timeout(PATIENCE, server.next()).await;
    let next = next.expect("somebody comes").expect("the server is open");
    next.expect("a peer")
}

fn protocol(connection: &Connection) -> String {
    let sections = connection.info().address().sections();
    sections[1].name().to_owned()
}

#[tokio::test]
async fn the_old_keep_coming_the_new_take_the_new_protocol_and_then_the_old_is_switched_off() {
    let Some(mut js) = Peer::start() else {
        return;
    };
    let multi = new(None);
    // The better one first: a client takes the first that it understands.
    let both = "net:127.0.0.1:0~noise;net:127.0.0.1:0~shs";
    let mut server = multi.listen(both).await.unwrap();
    let addresses = server.addresses(Scope::Device).unwrap();
    let (noise, shs) = match addresses.iter().collect::<Vec<_>>()[..] {
        [noise, shs] => (noise.to_string(), shs.to_string()),
        _ => unreachable!("both were listened on"),
    };
    let key = ours().public_key();
    assert!(noise.ends_with(&format!("~noise:{key}")) && shs.ends_with(&format!("~shs:{key}")));

    // JavaScript gets the same addresses, and passes over what it does not understand.
    let options = json!({ "behaviour": "send", "bytes": 100_000 });
    let job = js
        .dial("net~shs", &addresses.to_string(), options.clone())
        .await;
    let old = accept(&mut server).await;
    assert_eq!(
        (protocol(&old), old.info().remote_key()),
        ("shs".to_owned(), Some(theirs().public_key()))
    );
    let echoed = echo(old).await;
    let done = js.event(job, "done").await;
    assert_eq!(
        (Half::sent(&done), Half::received(&done)),
        (echoed.clone(), echoed)
    );

    // A new peer takes the new protocol, under the identity that it had all along.
    let peer = new(Some("TEST SEED"));
    let (dialed, accepted) = tokio::join!(peer.dial(addresses.clone()), accept(&mut server));
    let dialed = dialed.unwrap();
    assert_eq!(
        (protocol(&dialed), protocol(&accepted)),
        ("noise".to_owned(), "noise".to_owned())
    );
    assert_eq!(accepted.info().remote_key(), Some(key_of("TEST SEED")));
    assert_eq!(dialed.info().remote_key(), Some(key));
    // And it can still talk to those who know the old one alone.
    let (dialed_old, accepted_old) = tokio::join!(peer.dial(&*shs), accept(&mut server));
    assert_eq!(protocol(&dialed_old.unwrap()), "shs");
    drop(accepted_old);

    // The server starts anew, at the address of the new protocol alone. Who is connected stays so.
    drop(server);
    let mut server = multi.listen(&*noise).await.unwrap();
    let ((said, heard), echoed) = tokio::join!(exchange(dialed, 100_000), echo(accepted));
    assert_eq!((&said, &heard), (&echoed, &echoed));

    let job = js.dial("net~shs", &addresses.to_string(), options).await;
    js.event(job, "failed").await;
    let (dialed, accepted) = tokio::join!(peer.dial(addresses), accept(&mut server));
    let ((said, heard), echoed) = tokio::join!(exchange(dialed.unwrap(), 1000), echo(accepted));
    assert_eq!((&said, &heard), (&echoed, &echoed));
}
