//! One server on three protocols, dialed over each of them.
//!
//! ```console
//! $ cargo run --example quickstart
//! listening on net:127.0.0.1:40123~shs:…
//! listening on ws://127.0.0.1:40124/~shs:…
//! listening on unix:/tmp/…/quickstart.sock~noauth
//! dialed net:127.0.0.1:40123~shs:…
//!   the server saw @….ed25519 come in by net:127.0.0.1:53412~shs:…
//!   and answered "HELLO OVER NET"
//! …
//! ```

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_multiserver::{
    Address, Connection, Identity, MultiServer, net::Net, noauth::NoauthLayer, shs::ShsLayer,
    unix::Unix, ws::Ws,
};

/// The same three stacks for the server and for its client, each with an identity of its own.
fn multi_server(identity: &Identity) -> MultiServer {
    let shs = ShsLayer::new(identity.clone());
    let noauth = NoauthLayer::new(identity.public_key());
    MultiServer::new()
        .stack(ServiceBuilder::new().layer(shs.clone()).service(Net::new()))
        .stack(ServiceBuilder::new().layer(shs).service(Ws::new()))
        .stack(ServiceBuilder::new().layer(noauth).service(Unix::new()))
}

/// Answers in capitals, and tells who is there.
async fn answer(mut peer: Connection) -> Result<(), BoxError> {
    let mut question = String::new();
    peer.read_to_string(&mut question).await?;
    let who = peer.info().remote_key().ok_or("a stranger")?;
    let from = peer.info().address();
    println!("  the server saw @{who}.ed25519 come in by {from}");
    peer.write_all(question.to_uppercase().as_bytes()).await?;
    peer.shutdown().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("quickstart.sock");

    let server = multi_server(&Identity::generate()?);
    let listening = server
        .listen(format!(
            "net:127.0.0.1:0~shs;ws://127.0.0.1:0~shs;unix:{}~noauth",
            socket.display()
        ))
        .await?;
    let addresses: Vec<Address> = listening
        .all_addresses()
        .iter()
        .map(|(_, address)| address.clone())
        .collect();
    for address in &addresses {
        println!("listening on {address}");
    }

    let shutdown = listening.shutdown();
    let serving = tokio::spawn(listening.serve(service_fn(answer), std::future::pending()));

    let client = multi_server(&Identity::generate()?);
    for address in addresses {
        let protocol = address.transport().name().to_owned();
        let mut peer = client.dial(address.clone()).await?;
        println!("dialed {address}");
        peer.write_all(format!("hello over {protocol}").as_bytes())
            .await?;
        peer.shutdown().await?;
        let mut answer = String::new();
        peer.read_to_string(&mut answer).await?;
        println!("  and answered {answer:?}");
        assert_eq!(answer, format!("HELLO OVER {}", protocol.to_uppercase()));
    }

    shutdown.start();
    serving.await?;
    Ok(())
}
