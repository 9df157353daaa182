//! Compression in whole stacks, over real sockets.

mod support;

use std::io;

use support::{HANG, echo, round_trip, shs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use tower::{Layer as _, ServiceBuilder};
use tower_multiserver::{
    Connection, Error, ErrorKind, Listening, MultiServer, Scope,
    channel::Channel,
    compression::{CompressionError, CompressionLayer},
    net::Net,
    ws::Ws,
};

const STACKS: [&str; 10] = [
    "net~gzip",
    "net~zstd",
    "net~deflate",
    "net~br",
    "ws~gzip",
    "ws~zstd",
    "net~shs~zstd",
    "ws~shs~gzip",
    "channel~gzip~zstd",
    "net~gzip~shs",
];

fn multi() -> MultiServer {
    let gzip = || ServiceBuilder::new().layer(CompressionLayer::gzip());
    let zstd = || ServiceBuilder::new().layer(CompressionLayer::zstd());
    MultiServer::new()
        .stack(gzip().service(Net::new()))
        .stack(zstd().service(Net::new()))
        .stack(CompressionLayer::deflate().layer(Net::new()))
        .stack(CompressionLayer::brotli().layer(Net::new()))
        .stack(gzip().service(Ws::new()))
        .stack(zstd().service(Ws::new()))
        .stack(zstd().layer(shs("bob")).service(Net::new()))
        .stack(gzip().layer(shs("bob")).service(Ws::new()))
        .stack(
            zstd()
                .layer(CompressionLayer::gzip())
                .service(Channel::global()),
        )
        .stack(shs("bob").layer(gzip().service(Net::new())))
}

/// Two ends of a connection, and the server that keeps it.
async fn connect(stack: &str) -> (Connection, Connection, Listening) {
    let (transport, transforms) = stack.split_once('~').expect("a transform");
    let at = match transport {
        "net" => "net:127.0.0.1:0",
        "ws" => "ws://127.0.0.1:0",
        _ => "channel:compression",
    };
    let mut listening = multi()
        .listen(&*format!("{at}~{transforms}"))
        .await
        .expect("listening");
    let to = listening.addresses(Scope::Device).expect("an address");
    let (client, server) = tokio::join!(multi().dial(to), listening.next());
    let server = server.expect("one").expect("accepted");
    (client.expect("dialed"), server, listening)
}

#[tokio::test]
async fn all_that_is_said_comes_back_and_each_direction_ends_by_itself() {
    let message: Vec<u8> = (0..300_000_u64).map(|i| ((i * i) >> 7) as u8).collect();
    for stack in STACKS {
        let (client, server, _listening) = connect(stack).await;
        assert!(client.info().has_half_close() && server.info().has_half_close());
        let (_, transforms) = stack.split_once('~').expect("a transform");
        for (name, section) in transforms
            .rsplit('~')
            .zip(client.info().address().sections().iter().rev())
        {
            assert_eq!(section.name(), name, "{stack}");
        }
        let both = async { tokio::join!(round_trip(client, &message), echo(server)) };
        timeout(HANG, both).await.expect(stack);
    }
}

/// Whoever asks waits for the answer in a read, and that sends the question.
#[tokio::test]
async fn questions_and_answers_never_stall_even_without_a_flush() {
    for stack in STACKS {
        let (client, server, _listening) = connect(stack).await;
        let mut sides = JoinSet::new();
        for (mut io, asks) in [(client, true), (server, false)] {
            sides.spawn(async move {
                let mut buf = [0; 3];
                for turn in 0..200_u8 {
                    if asks {
                        io.write_all(&[turn; 3]).await.expect("asked");
                    }
                    io.read_exact(&mut buf).await.expect("heard");
                    assert_eq!(buf, [turn; 3]);
                    if !asks {
                        io.write_all(&buf).await.expect("answered");
                    }
                }
                // The last answer is behind nobody's read.
                io.flush().await.expect("flushed");
                io
            });
        }
        let all = timeout(HANG, sides.join_all()).await;
        assert_eq!(all.expect(stack).len(), 2);
    }
}

/// A server that sends these bytes and ends.
async fn raw(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.expect("somebody");
        // The peer may have gone before all is said.
        let _ = peer.write_all(&bytes).await;
        let _ = peer.shutdown().await;
        let _ = peer.read(&mut [0]).await;
    });
    format!("net:127.0.0.1:{port}")
}

async fn read(address: &str, layer: CompressionLayer) -> (Vec<u8>, io::Error) {
    let stack = MultiServer::new().stack(layer.layer(Net::new()));
    let mut peer = stack.dial(address).await.expect("dialed");
    let mut all = Vec::new();
    let end = timeout(HANG, peer.read_to_end(&mut all)).await;
    (all, end.expect("no hang").expect_err("not all is well"))
}

/// Four bytes that become 128 KiB, again and again.
#[tokio::test]
async fn a_bomb_is_a_limit_with_its_place() {
    let bomb = [
        vec![0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3],
        [2, 0, 16, 0].repeat(10_000),
    ];
    for (layer, expected) in [
        (
            CompressionLayer::zstd().max_bytes(10 << 20),
            CompressionError::Bytes(10 << 20),
        ),
        (
            CompressionLayer::zstd().max_ratio(200),
            CompressionError::Ratio(200),
        ),
    ] {
        let address = raw(bomb.concat()).await + "~zstd";
        let (all, error) = read(&address, layer).await;
        assert!((1 << 20..=10 << 20).contains(&all.len()));
        let error: &Error = error
            .get_ref()
            .and_then(|error| error.downcast_ref())
            .expect("ours");
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(error.address().map(ToString::to_string), Some(address));
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
        assert_eq!(cause, Some(&expected));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_compress_is_told_from_one_that_was_cut_off() {
    for (layer, name) in [
        (CompressionLayer::gzip(), "gzip"),
        (CompressionLayer::zstd(), "zstd"),
        (CompressionLayer::deflate(), "deflate"),
        (CompressionLayer::brotli(), "br"),
    ] {
        let plain = raw(b"220 mail.example.com ESMTP\r\n".to_vec()).await;
        let (_, error) = read(&format!("{plain}~{name}"), layer.clone()).await;
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
        let mute = raw(Vec::new()).await;
        let (all, error) = read(&format!("{mute}~{name}"), layer).await;
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{name}");
        assert!(all.is_empty());
    }
}

#[tokio::test]
async fn an_address_with_a_level_or_without_the_section_is_not_understood() {
    let stack = || MultiServer::new().stack(CompressionLayer::gzip().layer(Net::new()));
    for address in [
        "net:127.0.0.1:1~gzip:9",
        "net:127.0.0.1:1",
        "net:127.0.0.1:1~zstd",
    ] {
        let error = stack().dial(address).await.expect_err(address);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
        assert!(stack().listen(address).await.is_err(), "{address}");
    }
}
