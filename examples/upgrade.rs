//! A server moves its peers from one protocol to the next: for a while it speaks both, under one key, and nobody
//! negotiates. The old one is switched off when nobody comes by it any more.
//!
//! ```console
//! $ cargo run --features noise --example upgrade
//! at first     the server is at net:127.0.0.1:40123~shs:…
//!              the old peer came by shs
//!              the new peer came by shs
//! both         the server is at net:127.0.0.1:40124~noise:…;net:127.0.0.1:40123~shs:…
//!              the old peer came by shs
//!              the new peer came by noise
//! in the end   the server is at net:127.0.0.1:40124~noise:…
//!              the old peer cannot come any more
//!              the new peer came by noise
//! ```

use std::net::{Ipv4Addr, TcpListener};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_multiserver::{
    Connection, Identity, MultiAddress, MultiServer, Scope, net::Net, noise::NoiseLayer,
    shs::ShsLayer,
};

/// Who knows `shs` alone.
fn old(identity: &Identity) -> MultiServer {
    let shs = ShsLayer::new(identity.clone());
    MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()))
}

/// Who knows both, with the same key.
fn new(identity: &Identity) -> MultiServer {
    let noise = NoiseLayer::new(identity.clone());
    old(identity).stack(ServiceBuilder::new().layer(noise).service(Net::new()))
}

/// Tells a peer by which protocol it came.
async fn tell(mut peer: Connection) -> Result<(), BoxError> {
    let protocol = peer.info().address().sections()[1].name().to_owned();
    peer.write_all(protocol.as_bytes()).await?;
    peer.shutdown().await?;
    Ok(())
}

/// By which protocol a peer comes to the server. It tries the addresses as they stand.
async fn visit(peer: &MultiServer, server: &MultiAddress) -> Result<String, BoxError> {
    let mut protocol = String::new();
    let mut connection = peer.dial(server.clone()).await?;
    connection.read_to_string(&mut protocol).await?;
    Ok(protocol)
}

/// A port that nobody uses now. A real server has fixed ones.
fn free_port() -> Result<u16, BoxError> {
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(any.local_addr()?.port())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = new(&Identity::generate()?);
    let old_peer = old(&Identity::generate()?);
    let new_peer = new(&Identity::generate()?);
    let shs = format!("net:127.0.0.1:{}~shs", free_port()?);
    let noise = format!("net:127.0.0.1:{}~noise", free_port()?);

    // The better protocol stands first, since a peer takes the first that it understands.
    for (phase, addresses, of_old, of_new) in [
        ("at first", shs.clone(), Some("shs"), "shs"),
        ("both", format!("{noise};{shs}"), Some("shs"), "noise"),
        ("in the end", noise, None, "noise"),
    ] {
        let listening = server.listen(&*addresses).await?;
        let addresses = listening.addresses(Scope::Device).ok_or("no address")?;
        println!("{phase:<12} the server is at {addresses}");
        let shutdown = listening.shutdown();
        let serving = tokio::spawn(listening.serve(service_fn(tell), std::future::pending()));

        let came = visit(&old_peer, &addresses).await.ok();
        match &came {
            Some(protocol) => println!("{:<12} the old peer came by {protocol}", ""),
            None => println!("{:<12} the old peer cannot come any more", ""),
        }
        assert_eq!(came.as_deref(), of_old);

        let came = visit(&new_peer, &addresses).await?;
        println!("{:<12} the new peer came by {came}", "");
        assert_eq!(came, of_new);

        shutdown.start();
        serving.await?;
    }
    Ok(())
}
