//! An axum app over authenticated connections.
//!
//! A [`Listening`] is an [`axum::serve::Listener`], and its connect info is what the layers learned of the peer.
//!
//! # Example
//!
//! ```
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, extract::ConnectInfo, routing::get};
//! use tower::ServiceBuilder;
//! use tower_multiserver::{
//!     Identity, MultiServer, integration::axum::PeerInfo, net::Net, shs::ShsLayer,
//! };
//!
//! async fn whoami(ConnectInfo(PeerInfo(info)): ConnectInfo<PeerInfo>) -> String {
//!     format!("you are {}", info.address())
//! }
//!
//! let shs = ShsLayer::new(Identity::generate()?);
//! let multi = MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()));
//! let server = multi.listen("net::8008~shs").await?;
//!
//! let app = Router::new().route("/whoami", get(whoami));
//! axum::serve(server, app.into_make_service_with_connect_info::<PeerInfo>()).await?;
//! # Ok(())
//! # }
//! ```

use std::io;

use ::axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tower_multiserver_core::Connection;

pub use super::PeerInfo;
use crate::Listening;

/// Connections that failed are passed over; they are traced where they were accepted.
impl Listener for Listening {
    type Io = Connection;
    type Addr = PeerInfo;

    async fn accept(&mut self) -> (Connection, PeerInfo) {
        loop {
            match self.next().await {
                Some(Ok(connection)) => {
                    let info = connection.info().clone();
                    return (connection, PeerInfo(info));
                }
                Some(Err(_)) => {}
                // Closed. A listener cannot say so; axum's own graceful shutdown drops it.
                None => std::future::pending().await,
            }
        }
    }

    /// # Errors
    ///
    /// Always: a server of many protocols has no one address. See [`Listening::addresses`].
    fn local_addr(&self) -> io::Result<PeerInfo> {
        let reason = "a server of many protocols has no one address";
        Err(io::Error::new(io::ErrorKind::Unsupported, reason))
    }
}

impl Connected<IncomingStream<'_, Listening>> for PeerInfo {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        stream.remote_addr().clone()
    }
}
