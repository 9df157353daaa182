//! Each transport and transform.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::{BoxError, Layer as _};
use tower_multiserver::{
    Error, ErrorKind, Identity, MultiServer, Peer, RemoteKey, Scope, net::Net, noauth::NoauthLayer,
    unix::Unix, ws::Ws,
};

use crate::{
    lab::{
        combined, either, external, hello, keys, last_section, listen, net_shs, serve, shs,
        shs_section, socket_path, told, ws_shs,
    },
    support::{self, address, identity},
};

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
