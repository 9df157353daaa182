//! An axum app over authenticated connections.
#![cfg(feature = "axum")]

mod support;

use axum::{Router, extract::ConnectInfo, routing::get};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use support::{HANG, identity, shs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    Connection, Listening, MultiServer, Scope, channel::Channel, integration::axum::PeerInfo,
    net::Net, ws::Ws,
};

fn multi(name: &str) -> MultiServer {
    MultiServer::new()
        .stack(shs(name).layer(Net::new()))
        .stack(shs(name).layer(Ws::new()))
        .stack(shs(name).layer(Channel::global()))
}

async fn whoami(ConnectInfo(PeerInfo(peer)): ConnectInfo<PeerInfo>) -> String {
    let key = peer.remote_key().expect("proved by shs");
    format!("{key} {} {}", peer.address(), peer.scope())
}

async fn listen(
    at: &str,
) -> (
    Listening,
    axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, PeerInfo>,
) {
    let app = Router::new().route("/whoami", get(whoami));
    let server = multi("bob").listen(at).await.expect("listening");
    (server, app.into_make_service_with_connect_info())
}

async fn ask(connection: Connection) -> String {
    let (mut client, http) = http1::handshake(TokioIo::new(connection))
        .await
        .expect("http");
    let http = tokio::spawn(http);
    let request = Request::get("/whoami").header("host", "peer");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let answer = client.send_request(request).await.expect("an answer");
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    drop(client);
    http.await.expect("no panic").expect("a clean end");
    String::from_utf8(body.into()).expect("text")
}

#[tokio::test]
async fn the_connect_info_has_the_address_and_the_key_of_the_peer() {
    let (server, app) = listen("net:127.0.0.1:0~shs;ws://127.0.0.1:0~shs;channel:axum~shs").await;
    let all = server.addresses(Scope::Device).expect("addresses");
    let serving = tokio::spawn(axum::serve(server, app).into_future());
    let key = identity("alice").public_key();
    for (to, transport) in all
        .iter()
        .zip(["net:127.0.0.1:", "ws://127.0.0.1:", "channel:axum"])
    {
        let connection = multi("alice").dial(to.clone()).await.expect("dialed");
        let told = ask(connection).await;
        let (who, from) = told.split_once(' ').expect("two");
        assert_eq!(who, key.to_string());
        assert!(from.starts_with(transport), "{from}");
        assert!(from.ends_with(&format!("~shs:{key} device")), "{from}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_peer_that_fails_its_handshake_disturbs_nobody() {
    let (server, app) = listen("net:127.0.0.1:0~shs").await;
    let to = server.addresses(Scope::Device).expect("an address");
    let serving = tokio::spawn(axum::serve(server, app).into_future());
    let net = to.iter().next().expect("one").sections()[0]
        .text()
        .to_owned();
    let mut scanner = TcpStream::connect(&net["net:".len()..])
        .await
        .expect("connected");
    scanner.write_all(&[0; 64]).await.expect("sent");
    let end = timeout(HANG, scanner.read(&mut [0]))
        .await
        .expect("no hang");
    assert!(matches!(end, Ok(0) | Err(_)));
    ask(multi("alice").dial(to).await.expect("dialed")).await;
    serving.abort();
}

#[tokio::test]
async fn axums_graceful_shutdown_ends_the_server() {
    let (server, app) = listen("net:127.0.0.1:0~shs").await;
    let to = server.addresses(Scope::Device).expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = axum::serve(server, app).with_graceful_shutdown(async { drop(stopped.await) });
    let serving = tokio::spawn(serve.into_future());
    ask(multi("alice").dial(to.clone()).await.expect("dialed")).await;
    drop(stop);
    let ended = timeout(HANG, serving).await.expect("no hang");
    ended.expect("no panic").expect("a clean end");
    assert!(multi("alice").dial(to).await.is_err());
}
