//! `net` on the machine of the vectors.

use std::{
    future::{Ready, ready},
    io,
    net::{IpAddr, Ipv4Addr},
    task::{Context, Poll},
};

use tokio::io::DuplexStream;
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, Error, Listen, Listener, Section,
};
use tower_service::Service;

use super::{super::reachable, interfaces};
use crate::transport::{external::External, tcp::HostPort};

/// Tells what `Net` would there. It opens no socket, so it can listen only.
#[derive(Clone)]
pub(super) struct FakeNet {
    /// What every name is resolved to, but `localhost`.
    pub(super) named: IpAddr,
    pub(super) external: External,
}

/// What an attempt to listen at `host` gets.
pub(super) fn bound(host: &str, named: IpAddr) -> IpAddr {
    let address = host.split('%').next().unwrap_or_default();
    match address.parse() {
        Ok(ip) => ip,
        Err(_) if host == "localhost" => Ipv4Addr::LOCALHOST.into(),
        Err(_) => named,
    }
}

impl Service<Listen> for FakeNet {
    type Response = Bound<Nobody>;
    type Error = Error;
    type Future = Ready<Result<Bound<Nobody>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = address.finish::<HostPort>("net");
        ready(at.map(|at| {
            let hosts = reachable(&at.host, bound(&at.host, self.named), &interfaces());
            let section = |host| Section::new("net").arg(host).arg(at.port);
            let own = hosts
                .into_iter()
                .map(|(scope, host)| (scope, section(host)));
            Bound::new(Nobody, self.external.advertised(own.collect()))
        }))
    }
}

impl Service<Address> for FakeNet {
    type Response = Connection<DuplexStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Address) -> Self::Future {
        ready(Err(io::Error::from(io::ErrorKind::Unsupported).into()))
    }
}

impl Service<Accept<()>> for FakeNet {
    type Response = Connection<DuplexStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Accept<()>) -> Self::Future {
        ready(Err(io::Error::from(io::ErrorKind::Unsupported).into()))
    }
}

/// A listener to which nobody comes.
pub(super) struct Nobody;

impl Listener for Nobody {
    type Raw = ();

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Option<io::Result<()>>> {
        Poll::Pending
    }
}
