//! The three requests: dial, listen, accept.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};
use tower_multiserver_core::{
    Accept, Address, Bound, BoxIo, Connection, Error, ErrorKind, HeldClose, Io, Listen, LocalAddr,
    PeerAddr, Scope, Section, within,
};
use tower_service::Service;

use super::{
    Ws, WsIo, WsListener, WsSocket, dial,
    door::{Door, Opened},
    frame::Side,
    serve::{Connections, Front, Site},
    settings::Source,
    url::{self, ListenUrl, Scheme, Url},
};
use crate::transport::{net, tcp};

impl Service<Address> for Ws {
    type Response = Connection<WsIo<TcpStream>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let section = address.transport().clone();
        let url = address.finish::<Url>("ws");
        let this = self.clone();
        Box::pin(async move {
            let url = url?;
            let at = Address::new(section.clone());
            let connection = within(deadline, this.connect(&url, section)).await;
            let connection = connection.map_err(|error| error.at(|| at))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl Service<Listen> for Ws {
    type Response = Bound<WsListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let url = address.clone().finish::<ListenUrl>("ws");
        let this = self.clone();
        Box::pin(async move {
            let bound = this.open(url?, None).await;
            bound.map_err(|error| error.at(|| address))
        })
    }
}

impl Service<Accept<WsSocket>> for Ws {
    type Response = Connection<WsIo<BoxIo>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accept: Accept<WsSocket>) -> Self::Future {
        Box::pin(accepted(Scheme::Ws, accept))
    }
}

/// Waits for the HTTP server to hand over the connection.
pub(super) async fn accepted(
    scheme: Scheme,
    accept: Accept<WsSocket>,
) -> Result<Connection<WsIo<BoxIo>>, Error> {
    let WsSocket {
        opened,
        link,
        waited,
    } = accept.raw;
    // What its HTTP part took is over already.
    let deadline = accept.deadline;
    let deadline = deadline.map(|at| at.checked_sub(waited).unwrap_or_else(Instant::now));
    let section = match link.peer {
        Some(peer) => url::section(scheme, &peer.ip().to_string(), peer.port(), None),
        None => Section::new(scheme.name()),
    };
    let at = Address::new(section.clone());
    let Opened { upgrade, request } = match opened {
        Ok(opened) => opened,
        Err(error) => return Err(error.at(|| at)),
    };
    let upgrade = async {
        let upgraded = upgrade.await;
        upgraded.map_err(|error| Error::new(ErrorKind::Handshake, error))
    };
    let upgraded = within(deadline, upgrade)
        .await
        .map_err(|error| error.at(|| at))?;
    let io = BoxIo::new(TokioIo::new(upgraded));
    let mut connection = Connection::new(WsIo::new(io, Side::Server, b""), section)
        .with_deadline(deadline)
        .with(HeldClose)
        .with(request)
        .with::<Scope>(link.scope);
    if let Some(peer) = link.peer {
        connection = connection.with(PeerAddr(tcp::canonical(peer)));
    }
    if let Some(local) = link.local {
        connection = connection.with(LocalAddr(tcp::canonical(local)));
    }
    Ok(connection)
}

/// Both ends of a TCP connection that was dialed.
pub(super) struct Ends {
    peer: SocketAddr,
    local: SocketAddr,
}

impl Ws {
    /// Connects to the server of a URL.
    pub(super) async fn reach(&self, url: &Url) -> io::Result<(TcpStream, Ends)> {
        let stream = tcp::connect(&url.at.host, url.at.port).await?;
        tcp::set_user_timeout(&stream, self.user_timeout)?;
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        Ok((stream, Ends { peer, local }))
    }

    async fn connect(
        &self,
        url: &Url,
        section: Section,
    ) -> Result<Connection<WsIo<TcpStream>>, Error> {
        let (stream, ends) = self.reach(url).await?;
        self.shake_hands(stream, ends, url, section).await
    }

    /// Opens a WebSocket over what leads to the server.
    pub(super) async fn shake_hands<I: Io>(
        &self,
        io: I,
        ends: Ends,
        url: &Url,
        section: Section,
    ) -> Result<Connection<WsIo<I>>, Error> {
        let io = dial::handshake(io, url, &self.headers).await?;
        Ok(Connection::new(io, section)
            .with(HeldClose)
            .with(PeerAddr(tcp::canonical(ends.peer)))
            .with(LocalAddr(tcp::canonical(ends.local)))
            .with(tcp::scope(ends.peer, ends.local)))
    }

    /// Listens, with `front` before its HTTP server. One that is hosted has its server elsewhere.
    pub(super) async fn open(
        self,
        url: ListenUrl,
        front: Option<Arc<dyn Front>>,
    ) -> Result<Bound<WsListener>, Error> {
        match self.source {
            Source::Hosted { service, scope } => {
                let own = hosted_at(&url)?;
                let own = own.map(|scope| (scope, section(&url)));
                let advertised = self.external.advertised(own.into_iter().collect());
                if advertised.is_empty() {
                    let reason =
                        "where the public finds a hosted WebSocket must be said as external";
                    return Err(Error::unsupported(reason));
                }
                let sockets = service.listen(self.rules, self.external.scope(scope));
                let sockets = sockets.ok_or(io::Error::from(io::ErrorKind::AddrInUse))?;
                Ok(Bound::new(WsListener::hosted(sockets), advertised))
            }
            Source::Server {
                bound,
                fallback,
                max_connections,
            } => {
                let listener = match &bound {
                    Some(bound) => net::take(bound, url.port.unwrap_or(0))?,
                    None => tcp::bind(&url.host, url.port()).await?,
                };
                let local = listener.local_addr()?;
                let path = url.path.as_deref();
                let own = tcp::hosts(&url.host, local)?.into_iter();
                let section = |host: String| url::section(url.scheme, &host, local.port(), path);
                let own = own.map(|(scope, host)| (scope, section(host)));
                let advertised = self.external.advertised(own.collect());
                let (door, sockets) = Door::open(self.rules);
                let site = Site {
                    user_timeout: self.user_timeout,
                    front,
                    door,
                    path: url.path,
                    fallback,
                    external: self.external,
                };
                let connections = Connections::new(site, max_connections);
                let listener = WsListener::serving(sockets, listener, connections);
                Ok(Bound::new(listener, advertised))
            }
        }
    }
}

/// Whom to tell the address of a hosted listener: nobody but the public could find another name.
fn hosted_at(url: &ListenUrl) -> Result<Option<Scope>, Error> {
    if url.port == Some(0) {
        let reason = "a hosted WebSocket must be told the port of its server";
        return Err(Error::unsupported(reason));
    }
    let scope = match url.host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => {
            let reason = "a hosted WebSocket must be told one address of its server";
            return Err(Error::unsupported(reason));
        }
        Ok(ip) => Scope::of_ip(ip),
        Err(_) if url.host.eq_ignore_ascii_case("localhost") => Scope::Device,
        Err(_) => Scope::Public,
    };
    Ok(Some(scope).filter(|scope| *scope != Scope::Public))
}

fn section(url: &ListenUrl) -> Section {
    url::section(url.scheme, &url.host, url.port(), url.path.as_deref())
}
