//! A front that browsers can reach by WebSocket, and that forwards to a peer who only speaks TCP.
//!
//! Each link is a Secret Handshake of its own: the front knows who comes in, and the peer behind it knows the front.
//!
//! ```console
//! $ cargo run --example bridge
//! back:   a peer with the key of the front, by net:127.0.0.1:…~shs:…
//! client: "HELLO" by ws://127.0.0.1:…~shs:…
//! ```

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tower::{BoxError, Layer as _, service_fn};
use tower_multiserver::{
    Connection, Identity, MultiAddress, MultiServer, Peer, Scope, net::Net, shs::ShsLayer, ws::Ws,
};

/// What the peer behind the front does: it answers in capitals.
async fn shout(mut peer: Connection) -> Result<(), BoxError> {
    println!(
        "back:   a peer with the key of the front, by {}",
        peer.info().address()
    );
    let mut text = String::new();
    (&mut peer).take(1000).read_to_string(&mut text).await?;
    peer.write_all(text.to_uppercase().as_bytes()).await?;
    peer.shutdown().await?;
    Ok(())
}

/// Dials the peer behind, and carries both directions until both have ended.
async fn forward(
    mut guest: Connection,
    dialer: MultiServer,
    to: MultiAddress,
) -> Result<(), BoxError> {
    let mut back = dialer.dial(to).await?;
    copy_bidirectional(&mut guest, &mut back).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let [front, back, client] = [
        Identity::generate()?,
        Identity::generate()?,
        Identity::generate()?,
    ];

    // The peer behind lets in nobody but the front.
    let front_key = front.public_key();
    let shs = ShsLayer::new(back).authorize(move |peer: Peer| async move {
        if peer.key == front_key {
            Ok(())
        } else {
            Err("not the front")
        }
    });
    let back = MultiServer::new().stack(shs.layer(Net::new()));
    let back = back.listen("net:127.0.0.1:0~shs").await?;
    let behind = back.addresses(Scope::Device).ok_or("no address")?;
    tokio::spawn(back.serve(service_fn(shout), std::future::pending()));

    let shs = ShsLayer::new(front);
    let dialer = MultiServer::new().stack(shs.clone().layer(Net::new()));
    let front = MultiServer::new().stack(shs.layer(Ws::new()));
    let front = front.listen("ws://127.0.0.1:0~shs").await?;
    let address = front.addresses(Scope::Device).ok_or("no address")?;
    let forward = service_fn(move |guest| forward(guest, dialer.clone(), behind.clone()));
    tokio::spawn(front.serve(forward, std::future::pending()));

    let client = MultiServer::new().stack(ShsLayer::new(client).layer(Ws::new()));
    let mut peer = client.dial(address).await?;
    peer.write_all(b"hello").await?;
    peer.shutdown().await?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await?;
    println!("client: {answer:?} by {}", peer.info().address());
    assert_eq!(answer, "HELLO");
    Ok(())
}
