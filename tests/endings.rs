//! How a connection ends, on every transport and under every transform: the table in the documentation of
//! `tower_multiserver::transport`, a test a column.

mod support;

use std::{io, time::Duration};

use support::{HANG, identity, shs};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    Connection, Listening, MultiServer, Scope, channel::Channel, compression::CompressionLayer,
    net::Net, noauth::NoauthLayer, noise::NoiseLayer, unix::Unix, ws::Ws,
};

/// Two ends of a connection, and what keeps them.
struct Ends {
    client: Connection,
    server: Connection,
    _server: (Listening, TempDir),
}

fn multi() -> MultiServer {
    let noauth = || NoauthLayer::new(identity("bob").public_key());
    let noise = || NoiseLayer::new(identity("bob"));
    let gzip = CompressionLayer::gzip();
    MultiServer::new()
        .stack(Net::new())
        .stack(Unix::new())
        .stack(Channel::global())
        .stack(Ws::new())
        .stack(noauth().layer(Net::new()))
        .stack(noauth().layer(Unix::new()))
        .stack(noauth().layer(Channel::global()))
        .stack(noauth().layer(Ws::new()))
        .stack(shs("bob").layer(Net::new()))
        .stack(shs("bob").layer(Unix::new()))
        .stack(shs("bob").layer(Channel::global()))
        .stack(shs("bob").layer(Ws::new()))
        .stack(noise().layer(Net::new()))
        .stack(noise().layer(Unix::new()))
        .stack(noise().layer(Channel::global()))
        .stack(noise().layer(Ws::new()))
        .stack(gzip.layer(Net::new()))
        .stack(gzip.layer(Unix::new()))
        .stack(gzip.layer(Channel::global()))
        .stack(gzip.layer(Ws::new()))
}

async fn connect(of: &'static str) -> Ends {
    let directory = tempfile::tempdir().expect("a directory");
    let (transport, transforms) = of.split_once('~').unwrap_or((of, ""));
    let at = match transport {
        "net" => "net:127.0.0.1:0".to_owned(),
        "ws" => "ws://127.0.0.1:0".to_owned(),
        "unix" => format!("unix:{}/socket", directory.path().display()),
        _ => format!("channel:{}", directory.path().display()),
    };
    let at = match transforms {
        "" => at,
        transforms => format!("{at}~{transforms}"),
    };
    let mut listening = multi().listen(&*at).await.expect("listening");
    let to = listening.addresses(Scope::Device).expect("an address");
    let (client, server) = tokio::join!(multi().dial(to), listening.next());
    Ends {
        client: client.expect("dialed"),
        server: server.expect("one").expect("accepted"),
        _server: (listening, directory),
    }
}

/// Where one direction can end and the other go on.
const HALF_CLOSE: [&str; 18] = [
    "net",
    "unix",
    "channel",
    "net~noauth",
    "unix~noauth",
    "channel~noauth",
    "net~shs",
    "unix~shs",
    "channel~shs",
    "ws~shs",
    "net~noise",
    "unix~noise",
    "channel~noise",
    "ws~noise",
    "net~gzip",
    "unix~gzip",
    "channel~gzip",
    "ws~gzip",
];
/// Where it cannot.
const ONE_END: [&str; 2] = ["ws", "ws~noauth"];
/// Where an end that nobody meant is told from one that somebody did.
const TELLS_A_CUT: [&str; 14] = [
    "ws",
    "ws~noauth",
    "net~shs",
    "unix~shs",
    "channel~shs",
    "ws~shs",
    "net~noise",
    "unix~noise",
    "channel~noise",
    "ws~noise",
    "net~gzip",
    "unix~gzip",
    "channel~gzip",
    "ws~gzip",
];
/// Where it is not.
const TELLS_NO_CUT: [&str; 6] = [
    "net",
    "unix",
    "channel",
    "net~noauth",
    "unix~noauth",
    "channel~noauth",
];

async fn read_to_end(io: &mut Connection) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let end = timeout(HANG, io.read_to_end(&mut all)).await;
    (all, end.expect("no hang").map(drop))
}

#[tokio::test]
async fn a_shutdown_ends_one_direction_and_the_other_goes_on() {
    for of in HALF_CLOSE {
        let Ends {
            mut client,
            mut server,
            ..
        } = connect(of).await;
        assert!(
            client.info().has_half_close() && server.info().has_half_close(),
            "{of}"
        );
        client.write_all(b"question").await.expect(of);
        client.shutdown().await.expect(of);
        let (question, end) = read_to_end(&mut server).await;
        end.expect(of);
        server.write_all(b"answer").await.expect(of);
        server.shutdown().await.expect(of);
        let (answer, end) = read_to_end(&mut client).await;
        end.expect(of);
        assert_eq!(
            (&*question, &*answer),
            (&b"question"[..], &b"answer"[..]),
            "{of}"
        );
    }
}

#[tokio::test]
async fn without_half_close_a_shutdown_is_held_until_the_drop() {
    for of in ONE_END {
        let Ends {
            mut client,
            mut server,
            ..
        } = connect(of).await;
        assert!(
            !client.info().has_half_close() && !server.info().has_half_close(),
            "{of}"
        );
        client.write_all(b"question").await.expect(of);
        client.shutdown().await.expect(of);
        let mut question = [0; 8];
        server.read_exact(&mut question).await.expect(of);
        let held = timeout(Duration::from_millis(50), server.read(&mut [0])).await;
        assert!(held.is_err(), "{of} ended early");
        // Nothing is lost meanwhile.
        server.write_all(b"answer").await.expect(of);
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.expect(of);
        drop(client);
        read_to_end(&mut server).await.1.expect(of);
    }
}

#[tokio::test]
async fn an_end_is_told_again_and_again() {
    for of in HALF_CLOSE {
        let Ends {
            mut client,
            mut server,
            ..
        } = connect(of).await;
        client.shutdown().await.expect(of);
        for _ in 0..3 {
            assert_eq!(server.read(&mut [0]).await.expect(of), 0, "{of}");
        }
    }
}

#[tokio::test]
async fn nothing_can_be_written_behind_an_end() {
    for of in HALF_CLOSE.into_iter().chain(ONE_END) {
        let Ends {
            mut client,
            server: _server,
            ..
        } = connect(of).await;
        client.shutdown().await.expect(of);
        let late = async {
            client.write_all(b"late").await?;
            client.flush().await
        };
        let error = late.await.expect_err(of);
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{of}");
    }
}

#[tokio::test]
async fn a_drop_without_a_shutdown_is_a_cut_and_what_came_before_it_arrives() {
    for of in TELLS_A_CUT.into_iter().chain(TELLS_NO_CUT) {
        let Ends {
            mut client,
            mut server,
            ..
        } = connect(of).await;
        client.write_all(b"cut of").await.expect(of);
        client.flush().await.expect(of);
        drop(client);
        let (all, end) = read_to_end(&mut server).await;
        assert_eq!(all, b"cut of", "{of}");
        let told = TELLS_A_CUT.contains(&of);
        let told = told.then_some(io::ErrorKind::UnexpectedEof);
        assert_eq!(end.err().map(|error| error.kind()), told, "{of}");
    }
}

/// A socket that is closed with unread data in it sends a reset, which must not eat the end that was written before.
#[tokio::test]
async fn a_drop_after_a_shutdown_loses_nothing_though_the_peer_still_sends() {
    for of in HALF_CLOSE.into_iter().chain(ONE_END) {
        let Ends {
            mut client,
            mut server,
            ..
        } = connect(of).await;
        let (ended, mut heard) = (vec![1; 50_000], Vec::new());
        server.write_all(&[0; 10_000]).await.expect(of);
        server.flush().await.expect(of);
        let send = async {
            client.write_all(&ended).await.expect(of);
            client.shutdown().await.expect(of);
            drop(client);
        };
        let read = timeout(HANG, server.read_to_end(&mut heard));
        let ((), read) = tokio::join!(send, read);
        read.expect("no hang").expect(of);
        assert_eq!(heard.len(), ended.len(), "{of}");
    }
}

#[tokio::test]
async fn what_waits_in_the_systems_buffers_survives_a_drop_after_a_shutdown() {
    for of in HALF_CLOSE.into_iter().chain(ONE_END) {
        let Ends {
            mut client,
            mut server,
            ..
        } = connect(of).await;
        // Unread at the drop, for which a system resets the connection.
        server.write_all(&[0; 10_000]).await.expect(of);
        server.flush().await.expect(of);
        // As much as fits while nobody reads.
        let sent = noise(match of.starts_with("net") || of.starts_with("ws") {
            true => 1_000_000,
            false => 50_000,
        });
        client.write_all(&sent).await.expect(of);
        client.shutdown().await.expect(of);
        drop(client);
        let mut heard = Vec::new();
        let read = timeout(HANG, server.read_to_end(&mut heard)).await;
        read.expect("no hang").expect(of);
        assert!(heard == sent, "{of}: {} bytes", heard.len());
    }
}

/// So many bytes that nothing compresses.
fn noise(len: usize) -> Vec<u8> {
    let next = |state: &u64| {
        Some(state ^ (state << 13))
            .map(|x| x ^ (x >> 7))
            .map(|x| x ^ (x << 17))
    };
    let states = std::iter::successors(Some(1_u64), next);
    states.map(|state| state as u8).take(len).collect()
}

#[test]
fn every_combination_is_tested() {
    let mut all = [&HALF_CLOSE[..], &ONE_END].concat();
    let mut cuts = [&TELLS_A_CUT[..], &TELLS_NO_CUT].concat();
    all.sort_unstable();
    cuts.sort_unstable();
    assert_eq!((all.len(), all), (20, cuts));
}
