//! A server that is reached as an onion service, and a client that dials it by way of Tor.
//!
//! ```console
//! $ cargo run --features onion --example onion
//! the public is told onion:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaam2dqd.onion:8008~shs:…
//! the stand-in for Tor is asked for aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaam2dqd.onion
//! the server saw a public peer, @….ed25519
//! and answered "HELLO"
//! ```
//!
//! So that it runs everywhere, a few lines stand in for Tor: a SOCKS5 proxy that knows one name. With the address of a
//! real peer, and Tor running, it dials that one:
//!
//! ```console
//! $ MULTISERVER_ONION=onion:NAME.onion:8008~shs:KEY cargo run --features onion --example onion
//! connected to onion:NAME.onion:8008~shs:KEY
//! ```

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_multiserver::{
    Connection, Identity, MultiServer, Scope,
    net::Net,
    onion::{Onion, Proxy},
    shs::ShsLayer,
};

/// What Tor writes into the file `hostname` of a `HiddenServiceDir`. Nobody has the key of this one.
const NAME: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaam2dqd.onion";

/// Each peer is dialed by a circuit of its own.
fn client(onion: Onion) -> Result<MultiServer, BoxError> {
    let shs = ShsLayer::new(Identity::generate()?);
    let stack = ServiceBuilder::new().layer(shs);
    Ok(MultiServer::new().stack(stack.service(onion.isolate_peers())))
}

/// Answers in capitals.
async fn answer(mut peer: Connection) -> Result<(), BoxError> {
    let mut question = String::new();
    peer.read_to_string(&mut question).await?;
    let who = peer.info().remote_key().ok_or("a stranger")?;
    // Tor forwards to us from this machine, and its peers are strangers all the same.
    assert_eq!(peer.info().scope(), Scope::Public);
    println!("the server saw a public peer, @{who}.ed25519");
    peer.write_all(question.to_uppercase().as_bytes()).await?;
    peer.shutdown().await?;
    Ok(())
}

/// Stands in for Tor: leads who asks for the name to `service`, by SOCKS5 (RFC 1928, RFC 1929).
async fn stand_in(mut socks: TcpStream, service: SocketAddr) -> Result<(), BoxError> {
    let mut greeting = [0; 4];
    socks.read_exact(&mut greeting).await?;
    assert_eq!(greeting, [5, 2, 0, 2], "no login, or name and password");
    socks.write_all(&[5, 2]).await?;
    assert_eq!(socks.read_u8().await?, 1, "name and password");
    for _ in 0..2 {
        let length = socks.read_u8().await?;
        socks.read_exact(&mut vec![0; length.into()]).await?;
    }
    socks.write_all(&[1, 0]).await?;

    let mut request = [0; 5 + NAME.len() + 2];
    socks.read_exact(&mut request).await?;
    assert_eq!(request[..5], [5, 1, 0, 3, NAME.len() as u8], "a name");
    let name = std::str::from_utf8(&request[5..][..NAME.len()])?;
    println!("the stand-in for Tor is asked for {name}");
    assert_eq!(name, NAME);
    let mut forwarded = TcpStream::connect(service).await?;
    socks.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut socks, &mut forwarded).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if let Ok(address) = std::env::var("MULTISERVER_ONION") {
        let peer = client(Onion::new())?.dial(&*address).await?;
        println!("connected to {}", peer.info().address());
        return Ok(());
    }

    // In Tor's configuration: `HiddenServicePort 8008 127.0.0.1:PORT`, with the port of this socket.
    let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    let service = socket.local_addr()?;
    let net = Net::new()
        .bound(socket)
        .external([format!("onion:{NAME}:8008").parse()?]);
    let shs = ShsLayer::new(Identity::generate()?);
    let listening = MultiServer::new()
        .stack(ServiceBuilder::new().layer(shs).service(net))
        .listen("net:127.0.0.1:0~shs")
        .await?;
    let address = listening.addresses(Scope::Public).ok_or("no address")?;
    println!("the public is told {address}");
    assert!(
        address
            .to_string()
            .starts_with(&format!("onion:{NAME}:8008~shs:"))
    );
    let shutdown = listening.shutdown();
    let serving = tokio::spawn(listening.serve(service_fn(answer), std::future::pending()));

    let tor = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::new("127.0.0.1", tor.local_addr()?.port());
    let tor = tokio::spawn(async move {
        let (socks, _) = tor.accept().await?;
        stand_in(socks, service).await
    });

    let mut peer = client(Onion::new().proxies([proxy]))?.dial(address).await?;
    peer.write_all(b"hello").await?;
    peer.shutdown().await?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await?;
    println!("and answered {answer:?}");
    assert_eq!(answer, "HELLO");

    drop(peer);
    tor.await??;
    shutdown.start();
    serving.await?;
    Ok(())
}
