//! A proxy that does what a test says.

use std::{error::Error as _, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tower_multiserver::{
    Connection, Error, StackExt as _,
    onion::{Failed, Failure, Onion, Proxy},
    transport::Linger,
};

use crate::support::HANG;

/// The name of an onion service.
pub(crate) const NAME: &str = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";

/// The reply of a proxy that has connected, with the address that Tor says.
pub(crate) const CONNECTED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// A proxy for one connection, and what comes of playing it.
pub(crate) struct Played<T> {
    pub(crate) proxy: Proxy,
    playing: JoinHandle<T>,
}

/// Plays a proxy for the first that connects.
pub(crate) async fn play<T, F>(script: impl FnOnce(TcpStream) -> F + Send + 'static) -> Played<T>
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let proxy = proxy(listener.local_addr().expect("bound"));
    let playing = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        script(stream).await
    });
    Played { proxy, playing }
}

/// The proxy there.
pub(crate) fn proxy(at: SocketAddr) -> Proxy {
    Proxy::new(at.ip().to_string(), at.port())
}

impl<T> Played<T> {
    /// What came of it, once somebody has connected.
    pub(crate) async fn over(self) -> T {
        let playing = timeout(HANG, self.playing).await;
        playing.expect("no hang").expect("no panic")
    }

    /// Whether anybody has connected.
    pub(crate) fn was_asked(self) -> bool {
        self.playing.abort();
        self.playing.is_finished()
    }
}

/// Lets everybody in, and reads the request: its kind of address, and what follows that.
pub(crate) async fn greet(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await.expect("a greeting");
    let mut methods = vec![0; greeting[1].into()];
    stream.read_exact(&mut methods).await.expect("methods");
    stream.write_all(&[5, 0]).await.expect("sent");
    request(stream).await
}

/// Reads a request: its kind of address, and what follows that.
pub(crate) async fn request(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.expect("a request");
    assert_eq!(head[..3], [5, 1, 0]);
    let length = match head[3] {
        1 => 4,
        4 => 16,
        _ => stream.read_u8().await.expect("a length").into(),
    };
    let mut rest = vec![0; length + 2];
    stream.read_exact(&mut rest).await.expect("all of it");
    (head[3], rest)
}

/// Plays a proxy that answers the greeting and the request with these bytes, and closes.
pub(crate) async fn answering(greeting: &'static [u8], reply: impl Into<Vec<u8>>) -> Played<()> {
    let reply = reply.into();
    play(async move |mut stream| {
        // It may be gone already.
        let _ = stream.read_exact(&mut [0; 3]).await;
        let _ = stream.write_all(greeting).await;
        if !reply.is_empty() {
            request(&mut stream).await;
            let _ = stream.write_all(&reply).await;
        }
    })
    .await
}

/// Dials by these proxies.
pub(crate) async fn dial(
    proxies: impl IntoIterator<Item = &Proxy>,
    to: &str,
) -> Result<Connection<Linger<TcpStream>>, Error> {
    let onion = Onion::new().proxies(proxies.into_iter().cloned());
    timeout(HANG, onion.dial(to)).await.expect("no hang")
}

/// Why each proxy failed.
pub(crate) fn failures(error: &Error) -> Vec<&Failure> {
    let failed: &Failed = error
        .source()
        .and_then(|source| source.downcast_ref())
        .expect("what each proxy answered");
    failed.attempts().map(|(_, why)| why).collect()
}
