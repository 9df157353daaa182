//! A gRPC service whose every caller has proved its key, and a client that reaches it by a multiserver address.
//!
//! ```console
//! $ cargo run --features tonic --example grpc_over_shs
//! server: asked by @…=.ed25519 over net:127.0.0.1:…~shs:…
//! client: it is serving
//! ```

use std::pin::Pin;

use futures_core::Stream;
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::{BoxError, Layer as _};
use tower_multiserver::{
    Identity, MultiServer, Scope,
    integration::{
        hyper::Connector,
        tonic::{PeerInfo, incoming},
    },
    net::Net,
    shs::ShsLayer,
};

/// The health service of gRPC, for those who may ask.
struct Service;

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let peer = request.extensions().get::<PeerInfo>();
        let PeerInfo(info) = peer.ok_or_else(|| Status::internal("served by another server"))?;
        let key = info.remote_key();
        let key = key.ok_or_else(|| Status::unauthenticated("nobody has proved a key"))?;
        println!("server: asked by @{key}.ed25519 over {}", info.address());
        let status = ServingStatus::Serving.into();
        Ok(Response::new(HealthCheckResponse { status }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask again instead"))
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let shs = ShsLayer::new(Identity::generate()?);
    let listening = MultiServer::new()
        .stack(shs.layer(Net::new()))
        .listen("net:127.0.0.1:0~shs")
        .await?;
    let address = listening.addresses(Scope::Device).ok_or("no address")?;
    let shutdown = listening.shutdown();
    let server = Server::builder()
        .add_service(HealthServer::new(Service))
        .serve_with_incoming(incoming(listening));
    let server = tokio::spawn(server);

    let shs = ShsLayer::new(Identity::generate()?);
    let dialer = MultiServer::new().stack(shs.layer(Net::new()));
    // The host of the URI is a name for the peer; how to reach it says the address.
    let endpoint = Endpoint::from_static("http://peer");
    let channel = endpoint
        .connect_with_connector(Connector::new(dialer, address))
        .await?;
    let mut client = HealthClient::new(channel);
    let answer = client.check(HealthCheckRequest::default()).await?;
    assert_eq!(answer.get_ref().status(), ServingStatus::Serving);
    println!("client: it is serving");

    drop(client);
    shutdown.drain().await;
    server.await??;
    Ok(())
}
