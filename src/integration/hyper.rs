//! HTTP and gRPC clients over a stack.
//!
//! A [`Connector`] is what hyper-util's client and tonic's `Endpoint` connect with, a `Service<Uri>`. The URI of a request
//! says whom it is for and not how to get there: that is an address of ours.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use axum::{Router, routing::get};
//! use http_body_util::{BodyExt as _, Empty};
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::Layer as _;
//! use tower_multiserver::{
//!     Identity, Info, MultiServer, Scope, integration::hyper::Connector, net::Net, shs::ShsLayer,
//! };
//!
//! let shs = ShsLayer::new(Identity::generate()?);
//! let multi = MultiServer::new().stack(shs.layer(Net::new()));
//! let server = multi.listen("net:127.0.0.1:0~shs").await?;
//! let address = server.addresses(Scope::Device).expect("it is on this machine");
//! let app = Router::new().route("/", get(async || "hello"));
//! let server = tokio::spawn(async { axum::serve(server, app).await });
//!
//! let client = Client::builder(TokioExecutor::new()).build(Connector::new(multi, address));
//! let request = http::Request::get("http://peer/").body(Empty::<&[u8]>::new())?;
//! let answer = client.request(request).await?;
//! let peer = answer.extensions().get::<Info>().expect("who answered").remote_key();
//! assert!(peer.is_some());
//! assert_eq!(answer.into_body().collect().await?.to_bytes(), "hello");
//! # server.abort();
//! # Ok(())
//! # }
//! ```

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Uri, uri::Authority};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection as HttpConnection},
    rt::TokioIo,
};
use tower_multiserver_core::{BoxError, BoxIo, Connection, Error, ErrorKind, Io, MultiAddress};
use tower_service::Service;

/// Connects an HTTP client by a dialer: a [`MultiServer`](crate::MultiServer), a stack, or a policy over one of them.
///
/// `A` is what the dialer dials, an [`Address`](crate::Address) or a [`MultiAddress`].
#[derive(Clone)]
pub struct Connector<D, A = MultiAddress> {
    dialer: D,
    target: Target<A>,
}

#[derive(Clone)]
enum Target<A> {
    One(A),
    Of(Find<A>),
}

type Find<A> = Arc<dyn Fn(&Authority) -> Result<A, BoxError> + Send + Sync>;

impl<D, A> Connector<D, A> {
    /// Sends every request to the peer at `address`, whatever host its URI names.
    pub fn new(dialer: D, address: A) -> Self {
        Self {
            dialer,
            target: Target::One(address),
        }
    }

    /// Sends a request to the peer at the address that `find` says for its URI's host and port.
    ///
    /// A client keeps connections for later requests to the same host and port, so the answer should depend on nothing
    /// else.
    pub fn by<E: Into<BoxError>>(
        dialer: D,
        find: impl Fn(&Authority) -> Result<A, E> + Send + Sync + 'static,
    ) -> Self {
        let find = move |authority: &Authority| find(authority).map_err(Into::into);
        Self {
            dialer,
            target: Target::Of(Arc::new(find)),
        }
    }
}

impl<A: Clone> Target<A> {
    fn find(&self, uri: &Uri) -> Result<A, Error> {
        match self {
            Self::One(address) => Ok(address.clone()),
            Self::Of(find) => {
                let authority = uri.authority().ok_or("the URI names no host");
                let found = authority.map_err(BoxError::from).and_then(|of| find(of));
                found.map_err(|error| Error::new(ErrorKind::InvalidAddress, error))
            }
        }
    }
}

/// # Errors
///
/// Those of the dial; of kind [`InvalidAddress`](ErrorKind::InvalidAddress) when the URI leads to no address.
impl<D, A, I> Service<Uri> for Connector<D, A>
where
    D: Service<A, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    D: Clone + Send + 'static,
    A: Clone + Send + 'static,
    I: Io,
{
    type Response = HttpIo<I>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<HttpIo<I>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.dialer
            .poll_ready(cx)
            .map_err(|error| error.into().into())
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialed = self.target.find(&uri).map(|to| self.dialer.call(to));
        Box::pin(async move {
            let connection = dialed?.await.map_err(|error| Error::from(error.into()))?;
            Ok(HttpIo(TokioIo::new(connection)))
        })
    }
}

impl<D, A: fmt::Debug> fmt::Debug for Connector<D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Connector");
        if let Target::One(address) = &self.target {
            f.field("address", address);
        }
        f.finish_non_exhaustive()
    }
}

/// A [`Connection`] as hyper wants it. Its [`Info`](crate::Info) is in the extensions of every response.
#[derive(Debug)]
pub struct HttpIo<I = BoxIo>(TokioIo<Connection<I>>);

impl<I> HttpIo<I> {
    /// The connection.
    pub fn into_inner(self) -> Connection<I> {
        self.0.into_inner()
    }
}

impl<I> HttpConnection for HttpIo<I> {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.0.inner().info().clone())
    }
}

impl<I: Io> Read for HttpIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<I: Io> Write for HttpIo<I> {
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

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
