//! A WebSocket on a route of another server.

use std::net::SocketAddr;

use ::http::{Request, Response, Version};
use axum::{Router, routing::get};
use futures_util::FutureExt as _;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tower::Layer as _;
use tower_multiserver::{
    ErrorKind, Identity, LocalAddr, PeerAddr, Scope, Section, Shutdown, StackExt as _,
    noauth::NoauthLayer,
    ws::{Ws, WsService},
};
use tower_service::Service;

use crate::lab::{Server, accept, ask, closing, connect, handshake, listen, raw, told};

/// Serves `app` on a port of its own, as long as the set lives.
async fn serve(app: Router) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("an address");
    let mut server = JoinSet::new();
    server.spawn(async { axum::serve(listener, app).await.expect("serving") });
    (at, server)
}

/// A good handshake that no server has read: it can be handed over, and will not be.
fn request<B>(body: B) -> Request<B> {
    let mut request = Request::new(body);
    for line in handshake("/ssb", "").lines().skip(1) {
        if let Some((name, value)) = line.split_once(": ") {
            let name: http::HeaderName = name.parse().expect("a name");
            request
                .headers_mut()
                .insert(name, value.parse().expect("a value"));
        }
    }
    let upgrade = hyper::upgrade::on(Request::new(()));
    request.extensions_mut().insert(upgrade);
    request
}

async fn answer<B>(service: &mut WsService, request: Request<B>) -> Response<String> {
    let Ok(response) = service.call(request).await;
    response
}

async fn status(service: &mut WsService) -> u16 {
    answer(service, request(())).await.status().as_u16()
}

async fn hosted_at(at: &str) -> (WsService, Server) {
    let (service, ws) = Ws::hosted();
    (service, listen(ws, at).await)
}

#[tokio::test]
async fn it_lives_on_a_route_of_axum_beside_other_routes() {
    let (service, ws) = Ws::hosted();
    let app = Router::new()
        .route("/", get(async || "a page"))
        .route_service("/ssb", service);
    let (at, _app) = serve(app).await;
    let mut server = listen(ws, &format!("ws://localhost:{}/ssb", at.port())).await;
    let [(Scope::Device, to)] = &*told(&server) else {
        panic!("one address, not {:?}", told(&server));
    };
    assert_eq!(*to, format!("ws://localhost:{}/ssb", at.port()));
    let to = to.replace("localhost", "127.0.0.1");
    let (mut dialed, mut accepted) = connect(&mut server, &to).await;
    dialed.write_all(b"hello").await.expect("open");
    let mut read = [0; 5];
    accepted.read_exact(&mut read).await.expect("open");
    assert_eq!(&read, b"hello");
    // It saw no socket, and was told nothing.
    assert_eq!(accepted.info().address().to_string(), "ws");
    assert_eq!(accepted.info().scope(), Scope::Public);
    assert_eq!(accepted.info().get::<PeerAddr>(), None);

    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    for (path, expected) in [("/", 200), ("/other", 404), ("/ssb", 426)] {
        let mut client = raw(&to).await;
        assert_eq!(ask(&mut client, &get(path)).await.0, expected);
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn what_axum_knows_of_the_peer_is_a_fact() {
    let (service, ws) = Ws::hosted();
    let app = Router::new().route_service("/ssb", service);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("an address");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let mut tasks = JoinSet::new();
    tasks.spawn(async { axum::serve(listener, app).await.expect("serving") });
    let mut server = listen(ws, &format!("ws://{at}/ssb")).await;
    let (dialed, accepted) = connect(&mut server, &format!("ws://{at}/ssb")).await;
    let LocalAddr(client) = *dialed.info().get().expect("a fact");
    assert_eq!(accepted.info().get(), Some(&PeerAddr(client)));
    assert_eq!(
        accepted.info().address().to_string(),
        format!("ws://{client}")
    );
    assert_eq!(accepted.info().scope(), Scope::Public);
}

#[tokio::test]
async fn facts_of_a_request_come_from_its_extensions() {
    let (peer, local) = (
        SocketAddr::from(([10, 0, 0, 7], 7)),
        SocketAddr::from(([10, 0, 0, 1], 1)),
    );
    let (service, ws) = Ws::hosted();
    let app = Router::new()
        .route_service("/ssb", service)
        .layer(axum::Extension(PeerAddr(peer)))
        .layer(axum::Extension(LocalAddr(local)))
        .layer(axum::Extension(Scope::Local));
    let (at, _app) = serve(app).await;
    // The extension has precedence.
    let mut server = listen(ws.scope(Scope::Device), &format!("ws://{at}/ssb")).await;
    let (_, accepted) = connect(&mut server, &format!("ws://{at}/ssb")).await;
    assert_eq!(accepted.info().address().to_string(), "ws://10.0.0.7:7");
    assert_eq!(accepted.info().get(), Some(&PeerAddr(peer)));
    assert_eq!(accepted.info().get(), Some(&LocalAddr(local)));
    assert_eq!(accepted.info().scope(), Scope::Local);
}

#[tokio::test]
async fn a_scope_that_is_told_is_that_of_all_and_guards_like_it() {
    let (service, ws) = Ws::hosted();
    let (at, _app) = serve(Router::new().route_service("/", service)).await;
    let to = format!("ws://{at}");
    let mut server = listen(ws.scope(Scope::Device), &to).await;
    let (_, accepted) = connect(&mut server, &to).await;
    assert_eq!(accepted.info().scope(), Scope::Device);
    assert_eq!(
        crate::lab::status(&to, "origin: http://evil.example\r\n").await,
        403
    );
    assert_eq!(crate::lab::status(&to, "host: evil.example\r\n").await, 421);
}

/// It counts as the owner who is on this machine, and that a host has to tell.
#[tokio::test]
async fn under_noauth_nobody_comes_in_of_whom_it_is_not_told_where_he_is() {
    for (told, comes_in) in [
        (None, false),
        (Some(Scope::Local), false),
        (Some(Scope::Device), true),
    ] {
        let (service, ws) = Ws::hosted();
        let (at, _app) = serve(Router::new().route_service("/", service)).await;
        let ws = told.into_iter().fold(ws, Ws::scope);
        let own = Identity::generate().expect("randomness").public_key();
        let door = NoauthLayer::new(own).layer(ws);
        let listening = door.listen(&*format!("ws://{at}~noauth"), closing()).await;
        let mut server = listening.expect("told to this machine");
        let client = Ws::new();
        let (dialed, accepted) = tokio::join!(client.dial(format!("ws://{at}")), server.next());
        dialed.expect("a WebSocket it is");
        let accepted = accepted.expect("one");
        match comes_in {
            true => assert_eq!(accepted.expect("here").info().remote_key(), Some(own)),
            false => {
                let error = accepted.expect_err("from anywhere");
                assert_eq!(error.kind(), ErrorKind::Unauthorized, "{told:?}");
            }
        }
    }
}

#[tokio::test]
async fn any_hyper_server_can_host_it() {
    let (service, ws) = Ws::hosted();
    let mut server = listen(ws, "ws://localhost:1").await;
    for upgrades in [true, false] {
        let (ours, theirs) = tokio::io::duplex(1000);
        let service = hyper_util::service::TowerToHyperService::new(service.clone());
        let http = hyper::server::conn::http1::Builder::new();
        let http = http.serve_connection(TokioIo::new(theirs), service);
        let mut tasks = JoinSet::new();
        match upgrades {
            true => tasks.spawn(async { drop(http.with_upgrades().await) }),
            false => tasks.spawn(async { drop(http.await) }),
        };
        let (mut read, mut write) = tokio::io::split(ours);
        write
            .write_all(handshake("/", "").as_bytes())
            .await
            .expect("sent");
        let accepted = server.next().await.expect("one");
        match upgrades {
            true => {
                accepted
                    .expect("a connection")
                    .write_all(b"x")
                    .await
                    .expect("open");
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\x82\x01x") {
                    bytes.push(read.read_u8().await.expect("open"));
                }
            }
            // It answers, and never hands over.
            false => {
                let error = accepted.expect_err("no connection");
                assert_eq!(error.kind(), ErrorKind::Handshake);
            }
        }
    }
}

#[tokio::test]
async fn nobody_listening_full_and_closing_are_503_before_anything_is_promised() {
    let (mut service, ws) = Ws::hosted();
    assert_eq!(status(&mut service).await, 503);

    let (shutdown, closing) = Shutdown::new();
    let mut server = ws
        .listen("ws://localhost:1", closing)
        .await
        .expect("listening");
    for n in 0..256 {
        assert_eq!(status(&mut service).await, 101, "{n}");
    }
    assert_eq!(status(&mut service).await, 503, "full");
    // The server takes them all, and none is ever handed over.
    for _ in 0..256 {
        let error = server
            .next()
            .await
            .expect("one")
            .expect_err("not handed over");
        assert!([ErrorKind::Handshake, ErrorKind::Overloaded].contains(&error.kind()));
    }
    assert_eq!(status(&mut service).await, 101, "room again");

    shutdown.start();
    while server.next().await.is_some() {}
    assert_eq!(status(&mut service).await, 503, "closing");
}

#[tokio::test]
async fn it_can_be_listened_to_by_one_at_a_time() {
    let (mut service, ws) = Ws::hosted();
    let first = listen(ws.clone(), "ws://localhost:1").await;
    let second = ws.listen("ws://localhost:1", closing()).await;
    assert_eq!(second.expect_err("in use").kind(), ErrorKind::Io);
    drop(first);
    assert_eq!(status(&mut service).await, 503);
    let _again = listen(ws, "ws://localhost:1").await;
    assert_eq!(status(&mut service).await, 101);
}

#[tokio::test]
async fn http2_and_servers_that_cannot_hand_over_are_refused_with_a_reason() {
    let (mut service, _server) = hosted_at("ws://localhost:1").await;
    let mut http2 = request(axum::body::Body::empty());
    *http2.version_mut() = Version::HTTP_2;
    let mut stuck = request(String::new());
    stuck.extensions_mut().clear();
    let answers = [
        answer(&mut service, http2).await,
        answer(&mut service, stuck).await,
    ];
    for (answer, status) in answers.iter().zip([505, 501]) {
        assert_eq!(answer.status().as_u16(), status);
        assert!(!answer.body().is_empty());
    }
}

#[tokio::test]
async fn it_is_advertised_to_those_for_whom_its_host_is_and_to_the_public_as_told() {
    for (at, scope) in [
        ("ws://localhost:3000/ssb", Scope::Device),
        ("ws://[::1]:3000", Scope::Device),
        ("ws://192.168.1.5:3000/ssb", Scope::Local),
    ] {
        let (_service, server) = hosted_at(at).await;
        assert_eq!(told(&server), [(scope, at.to_owned())]);
    }
    for at in [
        "ws://example.com/ssb",
        "ws://203.0.113.9:3000",
        "ws://0.0.0.0:3000",
        "ws://localhost:0",
    ] {
        let (_service, ws) = Ws::hosted();
        let refused = ws.listen(at, closing()).now_or_never().expect("at once");
        assert_eq!(refused.expect_err(at).kind(), ErrorKind::Unsupported);
    }
    let (_service, ws) = Ws::hosted();
    let ws = ws.external([Section::new("wss").arg("//example.com/ssb")]);
    let server = listen(ws, "ws://example.com/ssb").await;
    assert_eq!(
        told(&server),
        [(Scope::Public, "wss://example.com/ssb".to_owned())]
    );
}

#[tokio::test]
async fn many_come_in_at_once() {
    let (service, ws) = Ws::hosted();
    let (at, _app) = serve(Router::new().route_service("/", service)).await;
    let to = format!("ws://{at}");
    let mut server = listen(ws, &to).await;
    let mut dials = JoinSet::new();
    for _ in 0..50 {
        let to = to.clone();
        dials.spawn(async move { Ws::new().dial(&*to).await.expect("dialed") });
    }
    let mut accepted = Vec::new();
    for _ in 0..50 {
        accepted.push(accept(&mut server).await);
    }
    assert_eq!(dials.join_all().await.len(), 50);
}
