//! Against the protocol of `noise` in Go, over flynn/noise: both roles.

use std::{error::Error as _, io, path::Path};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, split},
    net::TcpStream,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{
    Address, AllowList, AppKey, Connection, Error, ErrorKind, Listening, MultiServer, PublicKey,
    RemoteKey, Role, Scope, Section, Transform as _,
    net::Net,
    noise::{
        Args, NoiseLayer,
        transport::{FrameError, REKEY_AFTER},
    },
};

use crate::harness::{
    Go, Half, PATIENCE, app_key, echo, exchange, key_of, ours, read_to_end, seed, text, theirs,
};

const MIB: usize = 1 << 20;

fn multi(layer: NoiseLayer) -> MultiServer {
    let net = Net::new().dial_timeout(PATIENCE);
    let stack = ServiceBuilder::new().layer(layer).service(net);
    MultiServer::new().handshake_timeout(PATIENCE).stack(stack)
}

fn noise() -> NoiseLayer {
    NoiseLayer::new(ours()).app_key(app_key())
}

async fn dial(address: &str, key: PublicKey) -> Result<Connection, Error> {
    let address = format!("net:{address}~noise:{key}");
    multi(noise()).dial(&*address).await
}

/// A server of ours, and its `127.0.0.1:8008`.
async fn listen(multi: MultiServer) -> (Listening, String) {
    let listening = multi.listen("net:127.0.0.1:0~noise").await;
    let listening = listening.expect("it can be bound");
    let address = listening.addresses(Scope::Device);
    let address = address.expect("it is on this machine").to_string();
    let (place, _) = address
        .split_once('~')
        .expect("a transport and a transform");
    let place = place.strip_prefix("net:").expect("that is the transport");
    (listening, place.to_owned())
}

async fn accept(listening: &mut Listening) -> Result<Connection, Error> {
    let next = timeout(PATIENCE, listening.next()).await;
    next.expect("somebody comes").expect("the server is open")
}

fn sent(report: &Value) -> Half {
    half(&report["sent"])
}

fn received(report: &Value) -> Half {
    half(&report["received"])
}

fn half(report: &Value) -> Half {
    Half::reported(&report["bytes"], &report["sha256"])
}

#[test]
fn the_published_vectors_are_those_that_go_computes() {
    let Some(computed) = Go::output(&["vectors"]) else {
        return;
    };
    let published = "layers/noise/tests/vectors/noise-own.json";
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join(published);
    assert!(computed == std::fs::read_to_string(published).unwrap());
}

#[tokio::test]
async fn a_mebibyte_comes_back_from_go() {
    let Some((mut go, address)) = Go::listen(json!({ "echo": true })).await else {
        return;
    };
    let connection = dial(&address, theirs().public_key()).await.unwrap();
    let info = connection.info();
    assert_eq!(info.get(), Some(&RemoteKey(theirs().public_key())));
    assert!(info.has_half_close());
    let (said, heard) = exchange(connection, MIB).await;
    assert_eq!(said, heard);

    let report = go.event().await;
    let us = hex::encode(ours().public_key().as_bytes());
    assert_eq!(
        (text(&report["peer"]), text(&report["end"])),
        (&*us, "goodbye")
    );
    assert_eq!((received(&report), sent(&report)), (said, heard));
}

#[tokio::test]
async fn a_mebibyte_goes_back_to_go() {
    let (mut server, address) = listen(multi(noise())).await;
    let options = json!({ "bytes": MIB, "frame": 65_517 });
    let Some(mut go) = Go::dial(&address, options) else {
        return;
    };
    let connection = accept(&mut server).await.unwrap();
    let key = connection.info().remote_key();
    assert_eq!(key, Some(theirs().public_key()));
    let echoed = echo(connection).await;
    let report = go.event().await;
    assert_eq!(report["end"], "goodbye");
    assert_eq!((sent(&report), received(&report)), (echoed.clone(), echoed));
}

/// One byte a message, past a key of either direction.
#[tokio::test]
async fn both_sides_replace_their_keys_alike() {
    let count = REKEY_AFTER as usize + 10;
    let Some((mut go, address)) = Go::listen(json!({ "bytes": count, "frame": 1 })).await else {
        return;
    };
    // A million messages need no million system calls.
    let io = BufWriter::new(TcpStream::connect(address).await.unwrap());
    let connection = Connection::new(io, Section::new("net"));
    let (key, seed) = (theirs().public_key().try_into().unwrap(), None);
    let upgrade = noise().upgrade(connection, Role::Dial(Args { key, seed }));
    let (mut from, mut to) = split(upgrade.await.unwrap());
    let say = async {
        for _ in 0..count {
            assert_eq!(to.write(b"x").await.unwrap(), 1);
        }
        to.shutdown().await.unwrap();
    };
    let run = async { tokio::join!(say, read_to_end(&mut from)).1 };
    let heard = timeout(PATIENCE, run).await.unwrap().unwrap();
    let report = go.event().await;
    assert_eq!(report["end"], "goodbye");
    assert_eq!(sent(&report), heard);
    assert_eq!(received(&report).bytes, count as u64);
}

#[tokio::test]
async fn a_cut_is_told_from_an_end_on_both_sides() {
    let options = json!({ "bytes": 100_000, "frame": 1000, "cut": true });
    let Some((mut go, address)) = Go::listen(options).await else {
        return;
    };
    let mut connection = dial(&address, theirs().public_key()).await.unwrap();
    let mut heard = Vec::new();
    let error = connection.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(heard.len(), 100_000);

    connection.write_all(b"cut off").await.unwrap();
    drop(connection);
    let report = go.event().await;
    assert_eq!((received(&report).bytes, text(&report["end"])), (7, "cut"));
}

#[tokio::test]
async fn a_message_of_a_length_that_none_has_is_a_limit_with_its_place() {
    for (raw, expected) in [
        ("0000", FrameError::TooShort),
        ("000f", FrameError::TooShort),
        ("fffe", FrameError::TooLong),
        ("ffff", FrameError::TooLong),
    ] {
        let (mut server, address) = listen(multi(noise())).await;
        let options = json!({ "bytes": 5, "frame": 5, "raw": raw });
        let Some(_go) = Go::dial(&address, options) else {
            return;
        };
        let mut connection = accept(&mut server).await.unwrap();
        let mut heard = Vec::new();
        let error = connection.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!(heard.len(), 5);
        let error = Error::from(error);
        assert_eq!(error.kind(), ErrorKind::Limit);
        let place = error.address().map(Address::to_string).unwrap();
        let key = theirs().public_key();
        assert!(place.ends_with(&format!("~noise:{key}")), "{place}");
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let cause = causes.find_map(|cause| cause.downcast_ref());
        assert_eq!(cause, Some(&expected));
    }
}

/// The key of the server, the network, and the server's list: each refuses, and Go sees no more than a close.
#[tokio::test]
async fn what_is_refused_gets_no_byte() {
    let other = hex::encode(key_of("TEST SEED").as_bytes());
    let list = AllowList::from_iter([key_of("TEST SEED")]);
    let net = Net::new();
    let asking = ServiceBuilder::new()
        .layer(noise().authorize(list))
        .service(net);
    let asking = MultiServer::new().stack(asking);
    for (server, options, expected) in [
        (
            multi(noise()),
            json!({ "server": other }),
            ErrorKind::Handshake,
        ),
        (
            multi(noise()),
            json!({ "appKey": other }),
            ErrorKind::Handshake,
        ),
        (asking.clone(), json!({}), ErrorKind::Unauthorized),
    ] {
        let (mut server, address) = listen(server).await;
        let Some(mut go) = Go::dial(&address, options) else {
            return;
        };
        let error = accept(&mut server).await.unwrap_err();
        assert_eq!(error.kind(), expected);
        // Of the message that it waited for, nothing came.
        let report = go.event().await;
        assert_eq!(report["failed"], "EOF");
    }

    let (mut server, address) = listen(asking).await;
    let seed = hex::encode(seed("TEST SEED").as_bytes());
    let Some(_go) = Go::dial(&address, json!({ "seed": seed })) else {
        return;
    };
    let connection = accept(&mut server).await.unwrap();
    let key = connection.info().remote_key();
    assert_eq!(key, Some(key_of("TEST SEED")));
}

#[tokio::test]
async fn go_refuses_what_is_not_for_it() {
    let other = NoiseLayer::new(ours()).app_key(AppKey::from_bytes([1; 32]));
    for (layer, key) in [
        (noise(), key_of("TEST SEED")),
        (other, theirs().public_key()),
    ] {
        let Some((mut go, address)) = Go::listen(json!({})).await else {
            return;
        };
        let address = format!("net:{address}~noise:{key}");
        let error = multi(layer).dial(&*address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handshake);
        assert!(!text(&go.event().await["failed"]).is_empty());
    }
}
