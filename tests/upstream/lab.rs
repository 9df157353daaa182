//! What the tests have in common.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};
use tower::{BoxError, Layer as _, service_fn};
use tower_multiserver::{
    Connection, Identity, Info, Listening, MultiServer, Scope, Section, net::Net, shs::ShsLayer,
    ws::Ws,
};

use crate::support::{app_key, identity};

/// Upstream's one key pair, which servers and clients share.
pub(crate) fn keys() -> Identity {
    identity("TESTSEED")
}

pub(crate) fn shs() -> ShsLayer {
    ShsLayer::new(keys()).app_key(app_key())
}

pub(crate) fn net_shs() -> MultiServer {
    MultiServer::new().stack(shs().layer(Net::new()))
}

pub(crate) fn ws_shs() -> MultiServer {
    MultiServer::new().stack(shs().layer(Ws::new()))
}

pub(crate) fn external(sections: &[&str]) -> Vec<Section> {
    let sections = sections.iter();
    sections
        .map(|text| text.parse().expect("a section"))
        .collect()
}

/// The `shs` section of the test's key.
pub(crate) fn shs_section() -> String {
    format!("shs:{}", keys().public_key())
}

pub(crate) fn told(server: &Listening, scope: Scope) -> Option<String> {
    server
        .addresses(scope)
        .map(|addresses| addresses.to_string())
}

pub(crate) async fn listen(multi: &MultiServer, at: &str) -> Listening {
    multi.listen(at).await.expect("listening")
}

/// Upstream's echo: it answers in upper case.
pub(crate) async fn shout(mut peer: Connection) -> Result<(), BoxError> {
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await?;
    heard.make_ascii_uppercase();
    peer.write_all(&heard).await?;
    peer.shutdown().await?;
    Ok(())
}

pub(crate) type Seen = Arc<Mutex<Vec<Info>>>;

/// Shouts at everybody, and notes who came.
pub(crate) fn serve(server: Listening) -> (JoinHandle<()>, Seen) {
    let seen = Seen::default();
    let note = seen.clone();
    let handler = service_fn(move |peer: Connection| {
        note.lock().expect("not poisoned").push(peer.info().clone());
        shout(peer)
    });
    let serving = tokio::spawn(server.serve(handler, std::future::pending()));
    (serving, seen)
}

pub(crate) async fn hello(mut peer: Connection) -> Info {
    peer.write_all(b"hello world").await.expect("sent");
    peer.shutdown().await.expect("ended");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(answer, "HELLO WORLD");
    peer.info().clone()
}

/// Listens, dials what is told of this machine, says hello, and returns what both ends know of each other.
pub(crate) async fn combined(multi: &MultiServer, at: &str) -> (Info, Info) {
    let server = listen(multi, at).await;
    let to = server.addresses(Scope::Device).expect("an address");
    let (_serving, seen) = serve(server);
    let client = hello(multi.dial(to).await.expect("dialed")).await;
    let server = seen.lock().expect("not poisoned")[0].clone();
    (client, server)
}

pub(crate) fn last_section(info: &Info) -> &Section {
    info.address().sections().last().expect("never empty")
}

pub(crate) fn either() -> MultiServer {
    MultiServer::new()
        .stack(shs().layer(Net::new()))
        .stack(shs().layer(Ws::new()))
}

pub(crate) fn socket_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    (directory, path)
}
