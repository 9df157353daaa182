//! An axum app over authenticated connections.

mod support;

use axum::{
    Router,
    error_handling::HandleErrorLayer,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use support::{HANG, echo, identity, round_trip, shs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tower::{BoxError, Layer as _, ServiceBuilder, service_fn, timeout::TimeoutLayer};
use tower_multiserver::{
    Connection, ErrorKind, Listening, MultiServer, Scope, channel::Channel,
    integration::axum::PeerInfo, net::Net, noise::NoiseLayer, ws::Ws,
};

fn multi(name: &str) -> MultiServer {
    MultiServer::new()
        .stack(shs(name).layer(Net::new()))
        .stack(NoiseLayer::new(identity(name)).layer(Net::new()))
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
    let request = hyper::Request::get("/whoami").header("host", "peer");
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
    let at = "net:127.0.0.1:0~shs;net:127.0.0.1:0~noise;ws://127.0.0.1:0~shs;channel:axum~shs";
    let (server, app) = listen(at).await;
    let all = server.addresses(Scope::Device).expect("addresses");
    let serving = tokio::spawn(axum::serve(server, app).into_future());
    let key = identity("alice").public_key();
    let expected = [
        ("net:127.0.0.1:", "shs"),
        ("net:127.0.0.1:", "noise"),
        ("ws://127.0.0.1:", "shs"),
        ("channel:axum", "shs"),
    ];
    for (to, (transport, transform)) in all.iter().zip(expected) {
        let connection = multi("alice").dial(to.clone()).await.expect("dialed");
        let told = ask(connection).await;
        let (who, from) = told.split_once(' ').expect("two");
        assert_eq!(who, key.to_string());
        assert!(from.starts_with(transport), "{from}");
        assert!(
            from.ends_with(&format!("~{transform}:{key} device")),
            "{from}"
        );
    }
    assert_eq!(all.iter().count(), expected.len());
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

/// Lets in who says the password.
async fn password(request: Request, next: Next) -> Response {
    match request.headers().get(AUTHORIZATION) {
        Some(said) if said == "password" => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[tokio::test]
async fn the_ws_route_stands_behind_the_apps_own_middleware() {
    let http = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let to = format!("ws://{}/peer~shs", http.local_addr().expect("an address"));
    let (upgrade, ws) = Ws::hosted();
    let peers = MultiServer::new().stack(shs("bob").layer(ws));
    let mut peers = peers.listen(&*to).await.expect("listening");

    // As a trace layer does: what was answered, once it was.
    let (told, mut answered) = mpsc::unbounded_channel();
    let trace = middleware::from_fn(move |request: Request, next: Next| {
        let told = told.clone();
        async move {
            let response = next.run(request).await;
            told.send(response.status()).expect("listened to");
            response
        }
    });
    let middleware = ServiceBuilder::new()
        .layer(trace)
        .layer(middleware::from_fn(password))
        .layer(HandleErrorLayer::new(async |_: BoxError| {
            StatusCode::GATEWAY_TIMEOUT
        }))
        .layer(TimeoutLayer::new(HANG));
    let app = Router::new()
        .route_service("/peer", upgrade)
        .layer(middleware);
    let serving = tokio::spawn(axum::serve(http, app).into_future());

    let key = identity("bob").public_key();
    let to = format!("{to}:{key}");
    let stranger = MultiServer::new().stack(shs("eve").layer(Ws::new()));
    let error = stranger.dial(&*to).await.expect_err("no password");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_eq!(answered.recv().await, Some(StatusCode::UNAUTHORIZED));

    let ws = Ws::new().header(AUTHORIZATION, HeaderValue::from_static("password"));
    let friend = MultiServer::new().stack(shs("alice").layer(ws));
    let (dialed, accepted) = tokio::join!(friend.dial(&*to), peers.next());
    let accepted = accepted.expect("one").expect("accepted");
    // The middleware is done with it, and the connection goes on.
    assert_eq!(answered.recv().await, Some(StatusCode::SWITCHING_PROTOCOLS));
    tokio::join!(
        echo(accepted),
        round_trip(dialed.expect("dialed"), b"hello")
    );
    serving.abort();
}

#[tokio::test]
async fn one_signal_ends_pages_and_peers_and_cuts_nobody_off() {
    let http = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let to = format!("ws://{}/peer~shs", http.local_addr().expect("an address"));
    let (upgrade, ws) = Ws::hosted();
    let peers = MultiServer::new().stack(shs("bob").layer(ws));
    let peers = peers.listen(&*to).await.expect("listening");
    let app = Router::new().route_service("/peer", upgrade);

    let (stop, stopped) = watch::channel(());
    let signal = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.changed().await) }
    };
    let (met, mut meeting) = mpsc::unbounded_channel();
    let handler = service_fn(move |peer: Connection| {
        let met = met.clone();
        async move {
            met.send(()).expect("listened to");
            echo(peer).await;
            Ok::<_, BoxError>(())
        }
    });
    let pages = axum::serve(http, app).with_graceful_shutdown(signal());
    let pages = tokio::spawn(pages.into_future());
    let peers = tokio::spawn(peers.serve(handler, signal()));

    let to = format!("{to}:{}", identity("bob").public_key());
    let peer = multi("alice").dial(&*to).await.expect("dialed");
    meeting.recv().await.expect("accepted");
    drop(stop);
    timeout(HANG, pages)
        .await
        .expect("no hang")
        .expect("no panic")
        .expect("a clean end");
    multi("alice").dial(&*to).await.expect_err("closed");
    round_trip(peer, b"not cut off").await;
    timeout(HANG, peers)
        .await
        .expect("no hang")
        .expect("no panic");
}
