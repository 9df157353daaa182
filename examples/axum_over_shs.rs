//! An axum app over Secret Handshake: every request comes from a peer that has proved its key.
//!
//! ```console
//! $ cargo run --features axum --example axum_over_shs
//! serving http over net:127.0.0.1:40123~shs:…
//! GET /whoami: you are @….ed25519, by net:127.0.0.1:53412~shs:…
//! ```

use axum::{Router, extract::ConnectInfo, http::StatusCode, routing::get};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tower::{BoxError, ServiceBuilder};
use tower_multiserver::{
    Identity, MultiServer, Scope, integration::axum::PeerInfo, net::Net, shs::ShsLayer,
};

async fn whoami(ConnectInfo(PeerInfo(peer)): ConnectInfo<PeerInfo>) -> Result<String, StatusCode> {
    let key = peer.remote_key().ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("you are @{key}.ed25519, by {}", peer.address()))
}

fn multi_server(identity: &Identity) -> MultiServer {
    let shs = ShsLayer::new(identity.clone());
    MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = multi_server(&Identity::generate()?);
    let server = server.listen("net:127.0.0.1:0~shs").await?;
    let address = server.addresses(Scope::Device).ok_or("no address")?;
    println!("serving http over {address}");

    let app = Router::new().route("/whoami", get(whoami));
    let app = app.into_make_service_with_connect_info::<PeerInfo>();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(
        axum::serve(server, app)
            .with_graceful_shutdown(async { drop(stopped.await) })
            .into_future(),
    );

    let alice = Identity::generate()?;
    let connection = multi_server(&alice).dial(address).await?;
    let (mut client, http) = http1::handshake(TokioIo::new(connection)).await?;
    let http = tokio::spawn(http);
    let request = Request::get("/whoami").header("host", "peer");
    let answer = client
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let body = answer.into_body().collect().await?.to_bytes();
    let body = std::str::from_utf8(&body)?;
    println!("GET /whoami: {body}");
    assert!(body.contains(&alice.public_key().to_string()));

    drop(client);
    drop(stop);
    http.await??;
    serving.await??;
    Ok(())
}
