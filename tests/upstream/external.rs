//! Of `plugs.js`, what is told to others.

use tower::Layer as _;
use tower_multiserver::{ErrorKind, MultiServer, Scope, net::Net, ws::Ws};

use crate::{
    lab::{external, listen, shs, shs_section, told},
    support::address,
};

#[tokio::test]
async fn net_stringify_support_external_being_a_string() {
    let net = Net::new().external(external(&["net:scuttlebutt.nz:4853"]));
    let multi = MultiServer::new().stack(shs().layer(net));
    let server = listen(&multi, "net:localhost:0~shs").await;
    let expected = format!("net:scuttlebutt.nz:4853~{}", shs_section());
    assert_eq!(told(&server, Scope::Public), Some(expected));
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
