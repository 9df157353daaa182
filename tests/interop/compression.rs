//! Compression against Node's zlib under the JavaScript multiserver, and against the programs `gzip` and `zstd`.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    process::Command,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_multiserver::{
    Connection, ErrorKind, HalfClose, MultiServer, Role, Scope, Section, Transform as _,
    compression::{CompressionIo, CompressionLayer},
    net::Net,
    shs::ShsLayer,
    ws::Ws,
};

use crate::harness::{Half, PATIENCE, Peer, app_key, echo, exchange, npm, ours};

const MIB: usize = 1 << 20;

fn multi() -> MultiServer {
    let gzip = ServiceBuilder::new().layer(CompressionLayer::gzip());
    let deflate = ServiceBuilder::new().layer(CompressionLayer::deflate());
    let brotli = ServiceBuilder::new().layer(CompressionLayer::brotli());
    let shs = || ShsLayer::new(ours()).app_key(app_key());
    MultiServer::new()
        .handshake_timeout(PATIENCE)
        .stack(gzip.clone().service(Net::new()))
        .stack(gzip.clone().layer(shs()).service(Net::new()))
        .stack(gzip.clone().layer(shs()).service(Ws::new()))
        .stack(deflate.service(Net::new()))
        .stack(brotli.service(Net::new()))
        // Compressed though there is nothing left that could become smaller.
        .stack(
            ServiceBuilder::new()
                .layer(shs())
                .layer(CompressionLayer::gzip())
                .service(Net::new()),
        )
}

async fn listen(stack: &str) -> (tower_multiserver::Listening, String) {
    let at = stack
        .replacen("net~", "net:127.0.0.1:0~", 1)
        .replacen("ws~", "ws://127.0.0.1:0~", 1);
    let listening = multi().listen(&*at).await.expect("listening");
    let address = listening.addresses(Scope::Device).expect("an address");
    (listening, address.to_string())
}

each_stack! { [
    net_gzip = "net~gzip",
    net_deflate = "net~deflate",
    net_br = "net~br",
    net_shs_gzip = "net~shs~gzip",
    net_gzip_shs = "net~gzip~shs",
    ws_shs_gzip = "ws~shs~gzip"
]

async fn a_mebibyte_comes_back_from_javascript(js, stack, directory) {
    let (job, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let connection = multi().dial(&*address).await.unwrap();
    let (sent, received) = exchange(connection, MIB).await;
    assert_eq!(sent, received);

    let done = js.event(job, "done").await;
    assert_eq!((Half::received(&done), Half::sent(&done)), (sent, received));
    assert!(done["error"].is_null(), "{done}");
}

async fn a_mebibyte_goes_back_to_javascript(js, stack, _directory) {
    let (mut server, address) = listen(stack).await;
    let job = js.dial(stack, &address, json!({ "behaviour": "send", "bytes": MIB })).await;
    let echoed = echo(server.next().await.unwrap().unwrap()).await;

    let done = js.event(job, "done").await;
    assert_eq!(Half::sent(&done), echoed);
    assert_eq!(Half::received(&done), echoed);
    assert!(done["error"].is_null(), "{done}");
}

/// Each side waits for the other before it says more.
async fn javascript_answers_each_word(js, stack, directory) {
    let (_, address) = js.serve(stack, json!({ "behaviour": "echo", "dir": directory })).await;
    let mut connection = multi().dial(&*address).await.unwrap();
    for word in ["a", "word", "and another"].repeat(20) {
        connection.write_all(word.as_bytes()).await.unwrap();
        connection.flush().await.unwrap();
        let mut answer = vec![0; word.len()];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, word.as_bytes());
    }
}

/// The connection is gone without the end: what came before is read, then it is an error.
async fn javascript_that_breaks_off_is_an_error_after_its_bytes(js, stack, directory) {
    let options = json!({ "behaviour": "break", "bytes": 30_000, "dir": directory });
    let (_, address) = js.serve(stack, options).await;
    let mut connection = multi().dial(&*address).await.unwrap();
    connection.read_exact(&mut vec![0; 30_000]).await.unwrap();
    // The peer breaks off when it hears from us.
    connection.write_all(b"!").await.unwrap();
    connection.flush().await.unwrap();
    let error = connection.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}
}

/// What `program` makes of `input`; `None` when the test is to be skipped.
async fn filter(program: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    if let Err(reason) = npm::output(program, &["--version"], ".".as_ref()) {
        return npm::skip(&reason);
    }
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it ran a moment ago");
    let mut stdin = child.stdin.take().expect("it is piped");
    let feed = async {
        stdin.write_all(input).await.expect("it reads");
        drop(stdin);
    };
    let ((), output) = tokio::join!(feed, timeout(PATIENCE, child.wait_with_output()));
    let output = output.expect("it ends in time").expect("it ran");
    assert!(output.status.success(), "{program} {args:?}");
    Some(output.stdout)
}

/// Our end of a connection over which `bytes` came, and the end.
async fn heard(
    layer: CompressionLayer,
    bytes: &[u8],
) -> Connection<CompressionIo<impl tower_multiserver::Io>> {
    let (mut far, near) = duplex(bytes.len().max(1));
    far.write_all(bytes).await.unwrap();
    far.shutdown().await.unwrap();
    let near = Connection::new(near, Section::new("pipe")).with(HalfClose);
    layer.upgrade(near, Role::Accept).await.unwrap()
}

/// What we send when we say `text`, with a flush in the middle.
async fn said(layer: CompressionLayer, text: &[u8]) -> Vec<u8> {
    let (mut far, near) = duplex(2 * text.len() + 1000);
    let near = Connection::new(near, Section::new("pipe")).with(HalfClose);
    let mut near = layer.upgrade(near, Role::Accept).await.unwrap();
    let (first, second) = text.split_at(text.len() / 2);
    near.write_all(first).await.unwrap();
    near.flush().await.unwrap();
    near.write_all(second).await.unwrap();
    near.shutdown().await.unwrap();
    let mut stream = Vec::new();
    far.read_to_end(&mut stream).await.unwrap();
    stream
}

fn programs() -> [(&'static str, CompressionLayer); 2] {
    [
        ("gzip", CompressionLayer::gzip()),
        ("zstd", CompressionLayer::zstd()),
    ]
}

fn text() -> Vec<u8> {
    (0..3 * MIB)
        .map(|i| (i * i / 7 % 251) as u8 ^ (i >> 9) as u8)
        .collect()
}

#[tokio::test]
async fn the_programs_read_what_we_write() {
    for (program, layer) in programs() {
        let stream = said(layer, &text()).await;
        let Some(read) = filter(program, &["-dc"], &stream).await else {
            return;
        };
        assert!(read == text(), "{program}");
    }
}

#[tokio::test]
async fn we_read_what_the_programs_write_one_behind_the_other() {
    for (program, layer) in programs() {
        let Some(stream) = filter(program, &["-c", "-9"], &text()).await else {
            return;
        };
        let mut all = Vec::new();
        let mut connection = heard(layer, &stream.repeat(2)).await;
        connection.read_to_end(&mut all).await.unwrap();
        assert!(all == text().repeat(2), "{program}");
    }
}

#[tokio::test]
async fn a_window_of_128_mebibytes_is_a_limit() {
    let Some(stream) = filter("zstd", &["-c", "--long=27"], &text()).await else {
        return;
    };
    let mut connection = heard(CompressionLayer::zstd(), &stream).await;
    let error = connection.read(&mut [0]).await.unwrap_err();
    let error = tower_multiserver::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::Limit);
}
