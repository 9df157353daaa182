//! Compression inside encryption, and what it saves: a log goes to a server on `net~shs`, `net~shs~gzip`, `net~shs~zstd`.
//!
//! ```console
//! $ cargo run --features gzip,zstd --example compressed
//! a log of 213158 bytes
//! net~shs: 214994 bytes on the wire
//! net~shs~gzip: 34985 bytes on the wire
//! net~shs~zstd: 20310 bytes on the wire
//! ```

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tower::{BoxError, Layer, ServiceBuilder};
use tower_multiserver::{
    Connection, Identity, Io, MultiServer, Role, Scope, Wrap, Wrapped,
    compression::CompressionLayer, net::Net, shs::ShsLayer,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let log: String = (0..5000)
        .map(|i| {
            format!(
                "{:06} GET /feeds/{}/messages?seq={} 200\n",
                17 * i,
                i * i % 89,
                i
            )
        })
        .collect();
    println!("a log of {} bytes", log.len());

    // Outermost first: what the application says is compressed, then encrypted, then counted.
    let (identity, wire) = (Identity::generate()?, Wire::default());
    let shs = || ShsLayer::new(identity.clone());
    let multi = || {
        let plain = ServiceBuilder::new().layer(shs()).layer(wire.clone());
        let gzip = ServiceBuilder::new().layer(CompressionLayer::gzip().level(9));
        let zstd = ServiceBuilder::new().layer(CompressionLayer::zstd().max_bytes(1 << 30));
        MultiServer::new()
            .stack(plain.clone().service(Net::new()))
            .stack(gzip.layer(shs()).layer(wire.clone()).service(Net::new()))
            .stack(zstd.layer(shs()).layer(wire.clone()).service(Net::new()))
    };

    let mut counts = Vec::new();
    for stack in ["net~shs", "net~shs~gzip", "net~shs~zstd"] {
        let address = stack.replacen("net", "net:127.0.0.1:0", 1);
        let mut server = multi().listen(&*address).await?;
        let address = server.addresses(Scope::Device).ok_or("no address")?;
        let (sender, receiver) = tokio::join!(multi().dial(address), server.next());
        let (mut sender, mut receiver) = (sender?, receiver.ok_or("nobody came")??);

        wire.0.store(0, Ordering::Relaxed);
        let send = async {
            sender.write_all(log.as_bytes()).await?;
            sender.shutdown().await
        };
        let mut received = String::new();
        tokio::try_join!(send, receiver.read_to_string(&mut received))?;
        assert_eq!(received, log);
        let count = wire.0.load(Ordering::Relaxed);
        println!("{stack}: {count} bytes on the wire");
        counts.push(count);
    }
    assert!(counts[0] > log.len() && counts[1] * 5 < log.len() && counts[2] * 5 < log.len());
    Ok(())
}

/// Counts the bytes that are written to a transport.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<AtomicUsize>);

impl<S> Layer<S> for Wire {
    type Service = Wrapped<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Wrapped::new(inner, self.clone())
    }
}

impl Wrap for Wire {
    type Io<I: Io> = Counted<I>;

    fn wrap<I: Io>(&self, connection: Connection<I>, _: Role) -> Connection<Counted<I>> {
        let count = self.0.clone();
        connection.map(|io| Counted { io, count })
    }
}

struct Counted<I> {
    io: I,
    count: Arc<AtomicUsize>,
}

impl<I: Io> AsyncRead for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: Io> AsyncWrite for Counted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = written {
            self.count.fetch_add(count, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
