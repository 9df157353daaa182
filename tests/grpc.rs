//! tonic's client and server over stacks, with the health service of gRPC.

mod support;

use std::pin::Pin;

use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use support::{HANG, identity, shs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Error as TransportError, Server},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::Layer as _;
use tower_multiserver::{
    MultiAddress, MultiServer, PeerAddr, Scope, Shutdown,
    integration::{
        hyper::Connector,
        tonic::{PeerInfo, incoming},
    },
    net::Net,
    noauth::NoauthLayer,
    unix::Unix,
};

/// Tells every caller what it knows of it.
struct Mirror;

/// How many answers a stream has.
const ANSWERS: i32 = 100;

fn who<T>(request: &Request<T>) -> Result<String, Status> {
    let peer = request.extensions().get::<PeerInfo>();
    let PeerInfo(info) = peer.ok_or_else(|| Status::internal("no peer info"))?;
    let said = request.metadata().get("said").map(|said| said.to_str());
    let said = said.and_then(Result::ok).unwrap_or("nothing");
    let key = info.remote_key();
    Ok(format!(
        "{} key {key:?} scope {:?} said {said}",
        info.address().sections()[0].name(),
        info.scope()
    ))
}

#[tonic::async_trait]
impl Health for Mirror {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let who = who(&request)?
            .parse()
            .map_err(|_| Status::internal("not text"))?;
        let mut answer = Response::new(HealthCheckResponse { status: 1 });
        answer.metadata_mut().insert("who", who);
        Ok(answer)
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        who(&request)?;
        let answers = stream::iter(0..ANSWERS).map(|status| Ok(HealthCheckResponse { status }));
        Ok(Response::new(answers.boxed()))
    }
}

fn multi(name: &str) -> MultiServer {
    let noauth = NoauthLayer::new(identity(name).public_key());
    MultiServer::new()
        .stack(shs(name).layer(Net::new()))
        .stack(noauth.layer(Unix::new()))
}

async fn serve(
    at: &str,
) -> (
    MultiAddress,
    Shutdown,
    JoinHandle<Result<(), TransportError>>,
) {
    let server = multi("bob").listen(at).await.expect("listening");
    let address = server.addresses(Scope::Device).expect("on this machine");
    let shutdown = server.shutdown();
    let health = HealthServer::new(Mirror);
    let serving = Server::builder()
        .add_service(health)
        .serve_with_incoming(incoming(server));
    (address, shutdown, tokio::spawn(serving))
}

async fn client(address: MultiAddress) -> Result<HealthClient<Channel>, TransportError> {
    let connector = Connector::new(multi("alice"), address);
    let endpoint = Endpoint::from_static("http://peer");
    let channel = endpoint.connect_with_connector(connector).await?;
    Ok(HealthClient::new(channel))
}

async fn calls_over(at: &str, expected: &str) {
    let (address, shutdown, serving) = serve(at).await;
    let mut client = client(address).await.expect("connected");

    let mut request = Request::new(HealthCheckRequest::default());
    request
        .metadata_mut()
        .insert("said", "hello".parse().expect("ASCII"));
    let answer = client.check(request).await.expect("an answer");
    assert_eq!(answer.get_ref().status, 1);
    let who = answer.metadata().get("who").expect("told");
    assert_eq!(who, expected);

    let watched = client
        .watch(HealthCheckRequest::default())
        .await
        .expect("a stream");
    let answers = watched
        .into_inner()
        .map(|answer| answer.expect("an answer").status);
    let answers: Vec<_> = answers.collect().await;
    assert_eq!(answers, (0..ANSWERS).collect::<Vec<_>>());

    drop(client);
    shutdown.drain().await;
    serving.await.expect("no panic").expect("served to the end");
}

#[tokio::test]
async fn unary_and_streaming_calls_work_over_shs_and_the_handler_knows_the_key() {
    let alice = identity("alice").public_key();
    let expected = format!("net key {:?} scope Device said hello", Some(alice));
    timeout(HANG, calls_over("net:127.0.0.1:0~shs", &expected))
        .await
        .expect("no hang");
}

#[tokio::test]
async fn unary_and_streaming_calls_work_over_a_unix_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = format!("unix:{}~noauth", dir.path().join("socket").display());
    // Whoever may open the socket counts as its owner.
    let own = Some(identity("bob").public_key());
    let expected = format!("unix key {own:?} scope Device said hello");
    timeout(HANG, calls_over(&at, &expected))
        .await
        .expect("no hang");
}

#[tokio::test]
async fn a_peer_that_fails_its_handshake_ends_nobody_elses_service() {
    let (address, _shutdown, serving) = serve("net:127.0.0.1:0~shs").await;
    let text = address.to_string();
    let at = text
        .split(['~'])
        .next()
        .expect("a transport")
        .trim_start_matches("net:");
    let mut stranger = TcpStream::connect(at).await.expect("connected");
    stranger.write_all(&[0; 64]).await.expect("sent");
    assert_eq!(stranger.read(&mut [0; 64]).await.expect("an end"), 0);

    let mut client = client(address).await.expect("connected");
    client
        .check(HealthCheckRequest::default())
        .await
        .expect("an answer");
    serving.abort();
}

#[tokio::test]
async fn a_client_never_speaks_to_another_than_the_peer_of_its_address() {
    let (address, _shutdown, serving) = serve("net:127.0.0.1:0~shs").await;
    let (bob, eve) = (identity("bob").public_key(), identity("eve").public_key());
    let wrong = address
        .to_string()
        .replace(&bob.to_string(), &eve.to_string());
    client(wrong.parse().expect("addresses"))
        .await
        .expect_err("not eve");
    serving.abort();
}

#[tokio::test]
async fn one_client_reaches_many_peers_by_the_hosts_of_its_uris() {
    use http_body_util::{BodyExt as _, Empty};
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    use tower_multiserver::Info;

    let mut peers = std::collections::HashMap::new();
    for name in ["bob", "carol"] {
        let server = multi(name)
            .listen("net:127.0.0.1:0~shs")
            .await
            .expect("listening");
        peers.insert(
            name,
            server.addresses(Scope::Device).expect("on this machine"),
        );
        let app = axum::Router::new().route("/", axum::routing::get(move || async move { name }));
        tokio::spawn(async { axum::serve(server, app).await });
    }
    let connector = Connector::by(multi("alice"), move |authority| {
        peers
            .get(authority.host())
            .cloned()
            .ok_or("nobody of that name")
    });
    let client = Client::builder(TokioExecutor::new()).build(connector);
    for name in ["bob", "carol", "bob"] {
        let uri = format!("http://{name}/").parse().expect("a URI");
        let request = Client::<_, Empty<&[u8]>>::get(&client, uri);
        let answer = timeout(HANG, request)
            .await
            .expect("no hang")
            .expect("an answer");
        let info = answer.extensions().get::<Info>().expect("who answered");
        assert_eq!(info.remote_key(), Some(identity(name).public_key()));
        assert!(info.get::<PeerAddr>().is_some());
        assert_eq!(
            answer
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes(),
            name
        );
    }
    let nobody = client.get("http://dave/".parse().expect("a URI")).await;
    let error = nobody.expect_err("no such peer");
    let mut chain = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    assert!(chain.any(|cause| cause.to_string().contains("nobody of that name")));
}
