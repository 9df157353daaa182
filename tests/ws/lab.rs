//! What these tests share: servers of ours, and clients that speak in raw bytes.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tower_multiserver::{
    BoxIo, Closing, Connection, Incoming, Scope, Shutdown, StackExt as _,
    ws::{Ws, WsIo, WsListener},
};

pub(crate) type Server = Incoming<Ws, WsListener, WsIo<BoxIo>>;
pub(crate) type Accepted = Connection<WsIo<BoxIo>>;
pub(crate) type Dialed = Connection<WsIo<TcpStream>>;

/// Long enough that only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(30);

pub(crate) fn closing() -> Closing {
    let (shutdown, closing) = Shutdown::new();
    // Nobody closes it; dropping the server does.
    std::mem::forget(shutdown);
    closing
}

pub(crate) async fn listen(ws: Ws, at: &str) -> Server {
    ws.listen(at, closing()).await.expect("listening")
}

pub(crate) fn told(server: &Server) -> Vec<(Scope, String)> {
    let addresses = server.addresses().iter();
    addresses
        .map(|(scope, address)| (*scope, address.to_string()))
        .collect()
}

/// The only address of a server.
pub(crate) fn address(server: &Server) -> String {
    let mut told = told(server);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0).1
}

pub(crate) async fn accept(server: &mut Server) -> Accepted {
    let accepted = timeout(HANG, server.next()).await.expect("no hang");
    accepted.expect("a server").expect("a connection")
}

pub(crate) async fn connect(server: &mut Server, to: &str) -> (Dialed, Accepted) {
    let dial = async { Ws::new().dial(to).await.expect("dialed") };
    tokio::join!(dial, accept(server))
}

/// A TCP connection to the host and port of an address.
pub(crate) async fn raw(address: &str) -> TcpStream {
    let at = address.strip_prefix("ws://").expect("a URL");
    let at = at.split('/').next().expect("host and port");
    TcpStream::connect(at).await.expect("connected")
}

/// An opening handshake for `path`, with more lines of headers.
pub(crate) fn handshake(path: &str, headers: &str) -> String {
    let host = if headers.starts_with("host: ") {
        ""
    } else {
        "host: localhost\r\n"
    };
    format!(
        "GET {path} HTTP/1.1\r\n{host}upgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

/// Sends `request` and reads the head of the answer; its status, and all of it.
pub(crate) async fn ask(stream: &mut TcpStream, request: impl AsRef<str>) -> (u16, String) {
    stream
        .write_all(request.as_ref().as_bytes())
        .await
        .expect("sent");
    head(stream).await
}

pub(crate) async fn head(stream: &mut TcpStream) -> (u16, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(HANG, stream.read_u8()).await.expect("no hang");
        head.push(byte.expect("a head"));
    }
    let head = String::from_utf8(head).expect("ASCII");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), head)
}

/// The status of the answer to a handshake from a connection of its own.
pub(crate) async fn status(address: &str, headers: &str) -> u16 {
    let mut stream = raw(address).await;
    ask(&mut stream, handshake("/", headers)).await.0
}

/// Lets a server run beside a client of the test that gets no WebSocket.
pub(crate) async fn beside<T>(server: &mut Server, client: impl Future<Output = T>) -> T {
    tokio::select! {
        result = timeout(HANG, client) => result.expect("no hang"),
        accepted = server.next() => panic!("nothing to accept: {accepted:?}"),
    }
}

/// All that comes until the end, which may be a reset.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(HANG, stream.read_to_end(&mut rest)).await;
    let _ = read.expect("no hang");
    rest
}
