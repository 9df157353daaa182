//! A gRPC server over authenticated connections.
//!
//! [`incoming`] is what tonic's `Server` serves, and [`PeerInfo`] is in the extensions of every request. The client is
//! tonic's `Endpoint` with a [`Connector`](crate::integration::hyper::Connector).
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use tonic::transport::{Endpoint, Server};
//! use tonic_health::{
//!     pb::{HealthCheckRequest, health_client::HealthClient},
//!     server::health_reporter,
//! };
//! use tower::Layer as _;
//! use tower_multiserver::{
//!     Identity, MultiServer, Scope,
//!     integration::{hyper::Connector, tonic::incoming},
//!     net::Net,
//!     shs::ShsLayer,
//! };
//!
//! let shs = ShsLayer::new(Identity::generate()?);
//! let multi = MultiServer::new().stack(shs.layer(Net::new()));
//! let server = multi.listen("net:127.0.0.1:0~shs").await?;
//! let address = server.addresses(Scope::Device).expect("it is on this machine");
//! let (_reporter, health) = health_reporter();
//! tokio::spawn(Server::builder().add_service(health).serve_with_incoming(incoming(server)));
//!
//! let connector = Connector::new(multi, address);
//! let channel = Endpoint::from_static("http://peer").connect_with_connector(connector).await?;
//! let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
//! assert_eq!(answer.get_ref().status, 1); // Serving.
//! # Ok(())
//! # }
//! ```

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tonic::transport::server::Connected;
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_multiserver_core::Connection;

pub use super::PeerInfo;
use crate::Listening;

/// The connections of a server, for tonic's `serve_with_incoming`. It ends when the server has been shut down.
///
/// Those that failed are passed over, since tonic would end the whole server; they are traced where they were accepted.
pub fn incoming(server: Listening) -> Incoming {
    Incoming(server)
}

/// Stream of [`incoming`].
#[derive(Debug)]
pub struct Incoming(Listening);

impl Stream for Incoming {
    type Item = Result<GrpcIo, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_next(cx)) {
                Some(Ok(connection)) => return Poll::Ready(Some(Ok(GrpcIo(connection)))),
                Some(Err(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// A [`Connection`] as tonic wants it.
#[derive(Debug)]
pub struct GrpcIo(Connection);

impl Connected for GrpcIo {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        PeerInfo(self.0.info().clone())
    }
}

impl AsyncRead for GrpcIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for GrpcIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
