//! The three requests: dial, listen, accept.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tower_multiserver_core::{
    Accept, Address, Bound, BoxIo, Connection, Error, Listen, Section, within,
};
use tower_service::Service;

use super::{Tls, TlsIo, Wss, error::failed, front::TlsFront};
use crate::transport::{
    linger::{hang_up, linger},
    ws::{
        WsIo, WsListener, WsSocket,
        serve::Front,
        service::accepted,
        settings::Source,
        url::{ListenUrl, Scheme, Url},
    },
};

impl Service<Address> for Wss {
    type Response = Connection<WsIo<TlsIo>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.ws.dial_timeout);
        let section = address.transport().clone();
        let target = address
            .finish::<Url>("wss")
            .and_then(|url| Ok((server_name(&url)?, url)));
        let this = self.clone();
        Box::pin(async move {
            let (name, url) = target?;
            let at = Address::new(section.clone());
            let connection = within(deadline, this.connect(name, &url, section)).await;
            let connection = connection.map_err(|error| error.at(|| at))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl Service<Listen> for Wss {
    type Response = Bound<WsListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let url = address.clone().finish::<ListenUrl>("wss");
        let this = self.clone();
        Box::pin(async move {
            let bound = match (url, this.front()) {
                (Ok(url), Ok(front)) => this.ws.open(url, front).await,
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
            bound.map_err(|error| error.at(|| address))
        })
    }
}

impl Service<Accept<WsSocket>> for Wss {
    type Response = Connection<WsIo<BoxIo>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut accept: Accept<WsSocket>) -> Self::Future {
        let tls = accept.raw.link.facts.remove::<Tls>();
        Box::pin(async move {
            let connection = accepted(Scheme::Wss, accept).await?;
            Ok(match tls {
                Some(tls) => connection.with(tls),
                None => connection,
            })
        })
    }
}

impl Wss {
    async fn connect(
        &self,
        name: ServerName<'static>,
        url: &Url,
        section: Section,
    ) -> Result<Connection<WsIo<TlsIo>>, Error> {
        let connector = TlsConnector::from(self.client().await?);
        let (stream, ends) = self.ws.reach(url).await?;
        let stream = match connector.connect(name, stream).into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                // The server is to learn why.
                linger(hang_up(stream));
                return Err(failed(error));
            }
        };
        let tls = Tls::of(stream.get_ref().1);
        let io = TlsIo(Box::new(stream));
        let connection = self.ws.shake_hands(io, ends, url, section).await?;
        Ok(connection.with(tls))
    }

    /// What its own server needs before HTTP.
    fn front(&self) -> Result<Option<Arc<dyn Front>>, Error> {
        match (&self.ws.source, &self.certificate) {
            (Source::Hosted { .. }, _) => Ok(None),
            (Source::Server { .. }, Some(certificate)) => {
                Ok(Some(Arc::new(TlsFront(self.server(certificate)))))
            }
            (Source::Server { .. }, None) => {
                Err(Error::unsupported("to listen at `wss` takes a certificate"))
            }
        }
    }
}

/// An IP address stays one, and is not said in the clear (RFC 6066, section 3).
fn server_name(url: &Url) -> Result<ServerName<'static>, Error> {
    let name = ServerName::try_from(url.host().to_owned());
    name.map_err(|_| Error::unsupported("the host is no name that a certificate could be for"))
}
