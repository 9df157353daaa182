//! The behaviours that the test files of the JavaScript multiserver 3.8.2 fix (`async-server-close.js`, `multi.js`,
//! `plugs.js`), each under its upstream name. Where ours differs on purpose, the test says how.
//!
//! The tests of secret-handshake and pull-box-stream have theirs in the `shs` crate, those of multiserver-address in the
//! core.

mod support;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use futures_util::FutureExt as _;
use support::{address, app_key, identity};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tower::{BoxError, Layer as _, service_fn};
use tower_multiserver::{
    Connection, Error, ErrorKind, Identity, Info, Listening, MultiServer, Peer, RemoteKey, Scope,
    Section, channel::Channel, net::Net, noauth::NoauthLayer, shs::ShsLayer, unix::Unix, ws::Ws,
};

/// Upstream's one key pair, which servers and clients share.
fn keys() -> Identity {
    identity("TESTSEED")
}

fn shs() -> ShsLayer {
    ShsLayer::new(keys()).app_key(app_key())
}

fn net_shs() -> MultiServer {
    MultiServer::new().stack(shs().layer(Net::new()))
}

fn ws_shs() -> MultiServer {
    MultiServer::new().stack(shs().layer(Ws::new()))
}

fn external(sections: &[&str]) -> Vec<Section> {
    let sections = sections.iter();
    sections
        .map(|text| text.parse().expect("a section"))
        .collect()
}

/// The `shs` section of the test's key.
fn shs_section() -> String {
    format!("shs:{}", keys().public_key())
}

fn told(server: &Listening, scope: Scope) -> Option<String> {
    server
        .addresses(scope)
        .map(|addresses| addresses.to_string())
}

async fn listen(multi: &MultiServer, at: &str) -> Listening {
    multi.listen(at).await.expect("listening")
}

/// Upstream's echo: it answers in upper case.
async fn shout(mut peer: Connection) -> Result<(), BoxError> {
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await?;
    heard.make_ascii_uppercase();
    peer.write_all(&heard).await?;
    peer.shutdown().await?;
    Ok(())
}

type Seen = Arc<Mutex<Vec<Info>>>;

/// Shouts at everybody, and notes who came.
fn serve(server: Listening) -> (JoinHandle<()>, Seen) {
    let seen = Seen::default();
    let note = seen.clone();
    let handler = service_fn(move |peer: Connection| {
        note.lock().expect("not poisoned").push(peer.info().clone());
        shout(peer)
    });
    let serving = tokio::spawn(server.serve(handler, std::future::pending()));
    (serving, seen)
}

async fn hello(mut peer: Connection) -> Info {
    peer.write_all(b"hello world").await.expect("sent");
    peer.shutdown().await.expect("ended");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(answer, "HELLO WORLD");
    peer.info().clone()
}

/// Listens, dials what is told of this machine, says hello, and returns what both ends know of each other.
async fn combined(multi: &MultiServer, at: &str) -> (Info, Info) {
    let server = listen(multi, at).await;
    let to = server.addresses(Scope::Device).expect("an address");
    let (_serving, seen) = serve(server);
    let client = hello(multi.dial(to).await.expect("dialed")).await;
    let server = seen.lock().expect("not poisoned")[0].clone();
    (client, server)
}

fn last_section(info: &Info) -> &Section {
    info.address().sections().last().expect("never empty")
}

// async-server-close.js: closing waits for every transport, whether it needs time or not.

async fn close_waits_for(at: &str) {
    let multi = MultiServer::new()
        .stack(shs().layer(Net::new()))
        .stack(shs().layer(Channel::global()));
    let mut server = listen(&multi, at).await;
    let mut open = Vec::new();
    for address in server.addresses(Scope::Device).expect("addresses").iter() {
        let (dialed, accepted) = tokio::join!(multi.dial(address.clone()), server.next());
        dialed.expect("dialed");
        open.push(accepted.expect("one").expect("accepted"));
    }
    let mut closed = tokio_test::task::spawn(server.shutdown().drain());
    assert!(closed.poll().is_pending());
    assert!(server.next().await.is_none());
    while let Some(connection) = open.pop() {
        assert!(closed.poll().is_pending());
        drop(connection);
    }
    closed.await;
}

#[tokio::test]
async fn all_calls_are_sync() {
    close_waits_for("channel:sync-a~shs;channel:sync-b~shs").await;
}

#[tokio::test]
async fn all_calls_are_async() {
    close_waits_for("net:localhost:0~shs;net:localhost:0~shs").await;
}

#[tokio::test]
async fn async_caller_mixed_callees() {
    close_waits_for("net:localhost:0~shs;channel:mixed~shs").await;
}

// multi.js

fn either() -> MultiServer {
    MultiServer::new()
        .stack(shs().layer(Net::new()))
        .stack(shs().layer(Ws::new()))
}

async fn connect_to_either_server(client: MultiServer, transport: &str) {
    let server = listen(&either(), "net:localhost:0~shs;ws://localhost:0~shs").await;
    let known = told(&server, Scope::Device).expect("addresses");
    let (_serving, seen) = serve(server);
    let to = format!("fake:peer.ignore~nul:what;{known}");
    let peer = client.dial(&*to).await.expect("dialed");
    let client = hello(peer).await;
    assert_eq!(client.address().sections()[0].name(), transport);
    let server = &seen.lock().expect("not poisoned")[0];
    assert_eq!(server.address().sections()[0].name(), transport);
}

#[tokio::test]
async fn multi_listen_and_close() {
    let mut server = listen(&either(), "net:localhost:0~shs;ws://localhost:0~shs").await;
    let to = server.addresses(Scope::Device).expect("addresses");
    server.shutdown().start();
    assert!(server.next().await.is_none());
    for address in to.iter() {
        let error = either().dial(address.clone()).await.expect_err("closed");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

#[tokio::test]
async fn connect_to_either_server_net() {
    connect_to_either_server(either(), "net").await;
}

#[tokio::test]
async fn connect_to_either_server_ws() {
    connect_to_either_server(ws_shs(), "ws").await;
}

// plugs.js

#[tokio::test]
async fn parse_stringify() {
    let server = listen(&either(), "net:localhost:0~shs;ws://localhost:0~shs").await;
    let told = told(&server, Scope::Device).expect("addresses");
    let (net, ws) = told.split_once(';').expect("two");
    assert!(net.starts_with("net:localhost:"), "{net}");
    assert!(ws.starts_with("ws://localhost:"), "{ws}");
    let shs = format!("~{}", shs_section());
    assert!(net.ends_with(&shs) && ws.ends_with(&shs), "{told}");
    assert_eq!(support::addresses(&told).to_string(), told);
}

#[tokio::test]
async fn combined_net() {
    combined(&net_shs(), "net:localhost:0~shs").await;
}

#[tokio::test]
async fn combined_ipv6() {
    if let Err(error) = TcpListener::bind("[::1]:0").await {
        eprintln!("skipped: no IPv6 here: {error}");
        return;
    }
    let server = listen(&net_shs(), "net::::0~shs").await;
    let (_, first) = server.all_addresses()[0].clone();
    // Upstream tells `net::::PORT`, which only the machine itself can dial.
    let first = first.to_string();
    let port = first
        .split('~')
        .next()
        .and_then(|net| net.rsplit(':').next());
    let to = format!("net:::1:{}~{}", port.expect("a port"), shs_section());
    let (_serving, seen) = serve(server);
    let client = hello(net_shs().dial(&*to).await.expect("dialed")).await;
    assert_eq!(client.address().to_string(), to);
    let from = seen.lock().expect("not poisoned")[0].address().to_string();
    assert!(from.starts_with("net:::1:"), "{from}");
}

#[tokio::test]
async fn stringify_does_not_show_scopeid_from_ipv6() {
    // Upstream tells a link-local address without its zone, which nobody can dial; ours tells it to nobody. What a machine
    // has of those differs, so this is about all that a wildcard is told as.
    let server = listen(&net_shs(), "net:0.0.0.0:0~shs").await;
    for (_, address) in server.all_addresses() {
        let text = address.to_string();
        assert!(!text.contains('%') && !text.contains("fe80"), "{text}");
    }
}

#[tokio::test]
async fn net_do_not_listen_on_all_addresses() {
    let server = listen(&net_shs(), "net:localhost:0~shs").await;
    let text = told(&server, Scope::Device).expect("an address");
    // Another address of this machine.
    let other = text.replace("localhost", "127.0.0.2");
    let error = net_shs().dial(&*other).await.expect_err("nobody there");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(server.addresses(Scope::Local), None);
    assert_eq!(server.addresses(Scope::Public), None);
}

#[tokio::test]
async fn net_do_not_crash_if_listen_fails() {
    let error = net_shs().listen("net:$not-a-valid-ip-addr$:0~shs").await;
    assert_eq!(error.expect_err("no such name").kind(), ErrorKind::Io);
}

#[tokio::test]
async fn net_stringify_support_external_being_a_string() {
    let net = Net::new().external(external(&["net:scuttlebutt.nz:4853"]));
    let multi = MultiServer::new().stack(shs().layer(net));
    let server = listen(&multi, "net:localhost:0~shs").await;
    let expected = format!("net:scuttlebutt.nz:4853~{}", shs_section());
    assert_eq!(told(&server, Scope::Public), Some(expected));
}

fn socket_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    (directory, path)
}

#[tokio::test]
async fn combined_unix() {
    let (_directory, path) = socket_path();
    let multi = MultiServer::new().stack(shs().layer(Unix::new()));
    let (client, server) = combined(&multi, &format!("unix:{}~shs", path.display())).await;
    let expected = format!("unix:{}~{}", path.display(), shs_section());
    assert_eq!(client.address().to_string(), expected);
    assert_eq!(server.address().sections()[0].name(), "unix");
}

#[tokio::test]
async fn ws_with_combined() {
    let server = listen(&ws_shs(), "ws://localhost:0~shs").await;
    let to = server.addresses(Scope::Device).expect("an address");
    let mut server = server;
    let (dialed, accepted) = tokio::join!(ws_shs().dial(to), server.next());
    let (mut dialed, mut accepted) = (
        dialed.expect("dialed"),
        accepted.expect("one").expect("accepted"),
    );
    // The client ends only after the reply.
    dialed.write_all(b"hello world").await.expect("sent");
    let mut heard = [0; 11];
    accepted.read_exact(&mut heard).await.expect("heard");
    heard.make_ascii_uppercase();
    accepted.write_all(&heard).await.expect("answered");
    dialed.read_exact(&mut heard).await.expect("an answer");
    assert_eq!(&heard, b"HELLO WORLD");
    let end = async {
        dialed.shutdown().await.expect("ended");
        dialed.read_to_end(&mut Vec::new()).await
    };
    let answer = async {
        accepted
            .read_to_end(&mut Vec::new())
            .await
            .expect("its end");
        accepted.shutdown().await
    };
    let (end, answer) = tokio::join!(end, answer);
    end.expect("a clean end");
    answer.expect("a clean end");
    for info in [dialed.info(), accepted.info()] {
        assert_eq!(info.address().sections()[0].name(), "ws");
    }
}

#[tokio::test]
async fn error_if_try_to_connect_on_wrong_protocol() {
    let to = format!("net:localhost:1~{}", shs_section());
    let error = ws_shs().dial(&*to).await.expect_err("not understood");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn shs_with_seed() {
    let seed = identity("TEST SEED").seed();
    let asked = Arc::new(Mutex::new(None));
    let ask = asked.clone();
    let authorize = move |peer: Peer| {
        *ask.lock().expect("not poisoned") = Some(peer.key);
        async { Ok::<_, BoxError>(()) }
    };
    let server = MultiServer::new().stack(shs().authorize(authorize).layer(Net::new()));
    let server = listen(&server, "net:localhost:0~shs").await;
    let known = told(&server, Scope::Device).expect("an address");
    let (_serving, seen) = serve(server);
    let to = format!("{known}:{}", &*seed.to_base64());
    let client = hello(net_shs().dial(&*to).await.expect("dialed")).await;

    let key = Identity::from_seed(&seed).public_key();
    assert_eq!(*asked.lock().expect("not poisoned"), Some(key));
    let server = seen.lock().expect("not poisoned")[0].clone();
    assert_eq!(server.get(), Some(&RemoteKey(key)));
    assert_eq!(last_section(&server).text(), format!("shs:{key}"));
    assert_eq!(client.address().to_string(), known);
}

/// `external` takes whole sections, so a front with TLS is written as what it is. Default ports are not printed.
async fn ws_external(sections: &[&str]) -> Option<String> {
    let ws = Ws::new().external(external(sections));
    let server = listen(&MultiServer::new().stack(ws), "ws://localhost:0").await;
    let device = told(&server, Scope::Device).expect("an address");
    assert!(device.starts_with("ws://localhost:"), "{device}");
    assert_eq!(told(&server, Scope::Local), None);
    told(&server, Scope::Public)
}

#[tokio::test]
async fn ws_default_port() {
    assert_eq!(
        ws_external(&["ws://domain.de"]).await.as_deref(),
        Some("ws://domain.de")
    );
}

#[tokio::test]
async fn wss_default_port() {
    assert_eq!(
        ws_external(&["wss://domain.de"]).await.as_deref(),
        Some("wss://domain.de")
    );
}

#[tokio::test]
async fn wss_with_key_and_cert() {
    let path = "wss://domain.de/ssb";
    assert_eq!(ws_external(&[path]).await.as_deref(), Some(path));
}

#[tokio::test]
async fn onion_plug() {
    // A hidden service points at a net listener, which tells it to the public.
    let onion = "onion:3234j5sv346bpih2.onion:2349";
    let net = Net::new().external(external(&[onion]));
    let multi = MultiServer::new().stack(shs().layer(net));
    let server = listen(&multi, "net:localhost:0~shs").await;
    let expected = format!("{onion}~{}", shs_section());
    assert_eq!(told(&server, Scope::Public), Some(expected.clone()));
    assert_eq!(address(&expected).sections()[0].name(), "onion");
    let error = multi.listen(&*expected).await.expect_err("not understood");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn id_of_stream_from_server_net() {
    let (client, server) = combined(&net_shs(), "net:localhost:0~shs").await;
    assert_eq!(&address(&server.address().to_string()), server.address());
    assert_eq!(server.address().sections()[0].name(), "net");
    assert_eq!(last_section(&server).text(), shs_section());
    assert_eq!(last_section(&client).text(), shs_section());
}

#[tokio::test]
async fn id_of_stream_from_server_ws() {
    let (client, server) = combined(&ws_shs(), "ws://localhost:0~shs").await;
    assert_eq!(&address(&server.address().to_string()), server.address());
    assert_eq!(server.address().sections()[0].name(), "ws");
    assert_eq!(last_section(&server).text(), shs_section());
    assert_eq!(last_section(&client).text(), shs_section());
}

/// A dial that was begun and given up connects to nobody: the next one is the first that the server sees.
async fn aborted(multi: MultiServer, carols: MultiServer, at: &str) {
    let mut server = listen(&multi, at).await;
    let to = server.addresses(Scope::Device).expect("an address");
    // Upstream reports the abort to its callback; a future that is dropped reports to nobody.
    assert!(multi.dial(to.clone()).now_or_never().is_none());
    let accepted = async {
        loop {
            if let Ok(connection) = server.next().await.expect("one") {
                break connection;
            }
        }
    };
    let (dialed, accepted) = tokio::join!(carols.dial(to), accepted);
    dialed.expect("dialed");
    let carol = identity("carol").public_key();
    assert_eq!(accepted.info().remote_key(), Some(carol));
}

#[tokio::test]
async fn combined_net_aborted() {
    let carols = MultiServer::new().stack(support::shs("carol").layer(Net::new()));
    aborted(net_shs(), carols, "net:localhost:0~shs").await;
}

#[tokio::test]
async fn combined_ws_aborted() {
    let carols = MultiServer::new().stack(support::shs("carol").layer(Ws::new()));
    aborted(ws_shs(), carols, "ws://localhost:0~shs").await;
}

async fn error_should_have_client_address_on_it(multi: MultiServer, at: &str, transport: &str) {
    let mut server = listen(&multi, at).await;
    let known = told(&server, Scope::Device).expect("an address");
    let wrong = identity("another").public_key().to_string();
    let to = known.replace(&keys().public_key().to_string(), &wrong);
    let (dialed, accepted) = tokio::join!(multi.dial(&*to), server.next());
    assert_eq!(
        dialed.expect_err("a wrong number").kind(),
        ErrorKind::Handshake
    );
    let error: Error = accepted.expect("one").expect_err("a wrong number");
    let at = error.address().expect("a place").to_string();
    assert!(at.starts_with(transport) && at.ends_with("~shs"), "{at}");
}

#[tokio::test]
async fn error_should_have_client_address_on_it_net() {
    error_should_have_client_address_on_it(net_shs(), "net:localhost:0~shs", "net:").await;
}

#[tokio::test]
async fn error_should_have_client_address_on_it_ws() {
    error_should_have_client_address_on_it(ws_shs(), "ws://localhost:0~shs", "ws:").await;
}

#[tokio::test]
async fn multiple_public_different_hosts() {
    let one = Net::new().external(external(&["net:one.example:4854"]));
    let two = Ws::new().external(external(&["ws://two.example"]));
    let multi = MultiServer::new()
        .stack(shs().layer(one))
        .stack(shs().layer(two));
    let server = listen(&multi, "net:localhost:0~shs;ws://localhost:0~shs").await;
    let shs = shs_section();
    let expected = format!("net:one.example:4854~{shs};ws://two.example~{shs}");
    assert_eq!(told(&server, Scope::Public), Some(expected));
}

#[tokio::test]
async fn multiple_scopes_different_hosts() {
    let net = Net::new().external(external(&["net:example.com:1"]));
    let server = listen(&MultiServer::new().stack(net), "net:0.0.0.0:0").await;
    let device = told(&server, Scope::Device).expect("an address");
    assert!(device.starts_with("net:localhost:"), "{device}");
    assert_eq!(
        told(&server, Scope::Public).as_deref(),
        Some("net:example.com:1")
    );
}

async fn net_external(sections: &[&str], transform: bool) -> Option<String> {
    let net = Net::new().external(external(sections));
    let (multi, at) = match transform {
        true => (
            MultiServer::new().stack(shs().layer(net)),
            "net:localhost:0~shs",
        ),
        false => (MultiServer::new().stack(net), "net:localhost:0"),
    };
    let server = listen(&multi, at).await;
    assert_eq!(told(&server, Scope::Local), None);
    told(&server, Scope::Public)
}

#[tokio::test]
async fn net_external_is_a_string() {
    let told = net_external(&["net:domain.de:9966"], false).await;
    assert_eq!(told.as_deref(), Some("net:domain.de:9966"));
}

#[tokio::test]
async fn net_external_is_an_array() {
    let told = net_external(&["net:domain.de:9966", "net:funtime.net:9966"], false).await;
    let expected = "net:domain.de:9966;net:funtime.net:9966";
    assert_eq!(told.as_deref(), Some(expected));
}

#[tokio::test]
async fn net_external_is_an_array_w_a_single_entry_and_shs_transform() {
    let told = net_external(&["net:domain.de:9966"], true).await;
    assert_eq!(told, Some(format!("net:domain.de:9966~{}", shs_section())));
}

#[tokio::test]
async fn net_external_is_an_array_w_multiple_entries_and_shs_transform() {
    let told = net_external(&["net:domain.de:9966", "net:funtime.net:9966"], true).await;
    let shs = shs_section();
    let expected = format!("net:domain.de:9966~{shs};net:funtime.net:9966~{shs}");
    assert_eq!(told, Some(expected));
}

#[tokio::test]
async fn ws_external_is_a_string() {
    let told = ws_external(&["ws://domain.de:9966"]).await;
    assert_eq!(told.as_deref(), Some("ws://domain.de:9966"));
}

#[tokio::test]
async fn ws_external_is_an_array() {
    let told = ws_external(&["ws://domain.de:9966", "ws://funtime.net:9966"]).await;
    let expected = "ws://domain.de:9966;ws://funtime.net:9966";
    assert_eq!(told.as_deref(), Some(expected));
}

#[tokio::test]
async fn ws_external_is_an_array_and_shs_transform() {
    for list in [
        &["ws://domain.de:9966"][..],
        &["ws://domain.de:9966", "ws://funtime.net:9966"],
    ] {
        let ws = Ws::new().external(external(list));
        let multi = MultiServer::new().stack(shs().layer(ws));
        let server = listen(&multi, "ws://localhost:0~shs").await;
        let shs = shs_section();
        let expected: Vec<_> = list
            .iter()
            .map(|section| format!("{section}~{shs}"))
            .collect();
        assert_eq!(told(&server, Scope::Public), Some(expected.join(";")));
    }
}

/// Branch `rm-footgun`, `no-auth.js`: noauth refuses a stream that did not come the way it was meant for.
#[tokio::test]
async fn noauth_refuses_a_stream_from_elsewhere() {
    let (_directory, path) = socket_path();
    let noauth = || NoauthLayer::new(keys().public_key());
    let front = Net::new().external(external(&["net:example.com:1"]));
    let multi = MultiServer::new()
        .stack(noauth().layer(Unix::new()))
        .stack(noauth().layer(front));
    combined(&multi, &format!("unix:{}~noauth", path.display())).await;
    let error = multi.listen("net:localhost:0~noauth").await;
    assert_eq!(
        error.expect_err("anybody could come").kind(),
        ErrorKind::Unauthorized
    );
}
