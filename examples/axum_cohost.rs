//! WebSocket peers on one route of an ordinary axum server.
//!
//! ```console
//! $ cargo run --features axum --example axum_cohost
//! GET / says: an ordinary page
//! dialed ws://127.0.0.1:40123/peer~shs:…, which answered "hello"
//! ```

use axum::{Router, routing::get};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_multiserver::{Connection, Identity, MultiServer, shs::ShsLayer, ws::Ws};

async fn echo(peer: Connection) -> Result<(), BoxError> {
    let (mut reader, mut writer) = tokio::io::split(peer);
    tokio::io::copy(&mut reader, &mut writer).await?;
    writer.shutdown().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let here = http.local_addr()?;

    // The route, and the transport that it feeds.
    let (upgrade, ws) = Ws::hosted();
    let app = Router::new()
        .route("/", get(async || "an ordinary page"))
        .route_service("/peer", upgrade);

    let identity = Identity::generate()?;
    let key = identity.public_key();
    let shs = ShsLayer::new(identity);
    let stack = ServiceBuilder::new().layer(shs.clone()).service(ws);
    let peers = MultiServer::new().stack(stack);
    let peers = peers.listen(format!("ws://{here}/peer~shs")).await?;
    tokio::spawn(peers.serve(service_fn(echo), std::future::pending()));
    tokio::spawn(axum::serve(http, app).into_future());

    // An ordinary request, …
    let tcp = TokioIo::new(TcpStream::connect(here).await?);
    let (mut browser, connection) = http1::handshake(tcp).await?;
    tokio::spawn(connection);
    let request = Request::get("/").header("host", here.to_string());
    let page = browser
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let page = page.into_body().collect().await?.to_bytes();
    println!("GET / says: {}", std::str::from_utf8(&page)?);

    // … and a peer.
    let stack = ServiceBuilder::new().layer(shs).service(Ws::new());
    let client = MultiServer::new().stack(stack);
    let to = format!("ws://{here}/peer~shs:{key}");
    let mut peer = client.dial(&*to).await?;
    peer.write_all(b"hello").await?;
    peer.shutdown().await?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await?;
    println!("dialed {to}, which answered {answer:?}");
    assert_eq!(answer, "hello");
    Ok(())
}
