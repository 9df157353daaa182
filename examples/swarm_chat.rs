//! Three peers chat in a swarm. They know one address, that of the first; each proves its key.
//!
//! ```console
//! $ cargo run --features peer-socket --example swarm_chat
//! alice is at net:127.0.0.1:40123~shs:…
//! alice sees bob
//! alice sees carol
//! bob says: Hello!
//! carol says: Hi there.
//! alice says to herself: quiet here
//! bob is now: bob (away)
//! carol has gone: closed by the peer
//! ```
//!
//! All three are in one process here. In terminals of their own the command line program is such a peer, and
//! `examples/swarm_chat.js` one from npm:
//!
//! ```console
//! $ multiserver swarm join pauls-chat-room --name bob --listen net:127.0.0.1:8008~shs
//! $ multiserver swarm join pauls-chat-room --name alice --peer net:127.0.0.1:8008~shs:KEY
//! ```

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tower::{BoxError, ServiceBuilder};
use tower_multiserver::{
    Address, Identity, MultiServer,
    net::Net,
    peer_socket::{AddressNetwork, Message, PeerSocket, PeerSockets, Swarm, SwarmId},
    shs::ShsLayer,
};

/// Each peer dials and listens with a key of its own.
fn stacks(identity: Identity) -> MultiServer {
    let shs = ShsLayer::new(identity);
    MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()))
}

const ROOM: &str = "pauls-chat-room";

fn room() -> SwarmId {
    SwarmId::open(ROOM)
}

/// Somebody who joins the room by the address of another.
async fn guest(name: &str, at: Address) -> Result<Swarm, BoxError> {
    let network = AddressNetwork::new(stacks);
    network.add_peer(at)?;
    let peers = PeerSockets::builder(network).build()?;
    Ok(peers.join_with(room(), json!({ "name": name })).await?)
}

/// What a peer calls itself.
fn name(peer: &PeerSocket) -> String {
    let data = peer.session_data();
    let name = data.borrow().as_ref().map(|data| data["name"].clone());
    name.as_ref()
        .and_then(Value::as_str)
        .unwrap_or("somebody")
        .to_owned()
}

/// The text of the next message.
async fn text(from: &PeerSocket) -> Result<String, BoxError> {
    match from.recv().await.ok_or("it has gone")?? {
        Message::Json(message) => Ok(message["text"].as_str().ok_or("no text")?.to_owned()),
        _ => Err("not a message of this chat".into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if std::env::args().len() > 1 {
        println!("one terminal of a chat is `multiserver swarm join {ROOM} --name NAME`");
        return Ok(());
    }
    let network = AddressNetwork::new(stacks).listen("net:127.0.0.1:0~shs")?;
    let alice = PeerSockets::builder(network.clone()).build()?;
    let swarm = alice.join_with(room(), json!({ "name": "alice" })).await?;
    let (_, at) = network
        .addresses(&alice.public_key())
        .pop()
        .ok_or("alice listens")?;
    println!("alice is at {at}");

    let mut incoming = swarm.incoming();
    let bob = guest("bob", at.clone()).await?;
    let to_bob = incoming.next().await.ok_or("bob comes")?;
    println!("alice sees {}", name(&to_bob));
    let carol = guest("carol", at).await?;
    let to_carol = incoming.next().await.ok_or("carol comes")?;
    println!("alice sees {}", name(&to_carol));
    assert_eq!(
        (name(&to_bob), name(&to_carol)),
        ("bob".into(), "carol".into())
    );
    // It is they: each has proved the key by which alice knows it.
    assert_eq!(to_bob.id(), bob.loopback().id());
    assert_eq!(swarm.sockets().len(), 2);

    let bobs = bob.next_socket().await;
    bobs.send(json!({ "type": "text", "text": "Hello!" }))
        .await?;
    let hello = text(&to_bob).await?;
    println!("bob says: {hello}");
    let carols = carol.next_socket().await;
    carols
        .send(json!({ "type": "text", "text": "Hi there." }))
        .await?;
    let hi = text(&to_carol).await?;
    println!("carol says: {hi}");
    assert_eq!((&*hello, &*hi), ("Hello!", "Hi there."));

    let to_self = swarm.loopback().socket();
    to_self
        .send(json!({ "type": "text", "text": "quiet here" }))
        .await?;
    println!("alice says to herself: {}", text(&to_self).await?);

    let mut data = to_bob.session_data();
    bob.loopback()
        .set_session_data(json!({ "name": "bob (away)" }))?;
    data.wait_for(|data| data.as_ref().is_some_and(|data| data["name"] != "bob"))
        .await?;
    println!("bob is now: {}", name(&to_bob));

    carol.close().await;
    let reason = to_carol.closed().await;
    println!("carol has gone: {reason}");
    assert_eq!(swarm.sockets(), [to_bob]);

    swarm.close().await;
    bobs.closed().await;
    assert!(bob.sockets().is_empty());
    Ok(())
}
