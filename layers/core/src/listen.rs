//! Opening a server: the requests, what is bound, and where raw sockets come from.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    task::{Context, Poll},
};

use tokio::time::Instant;

use crate::{Address, Error, Scope, Section};

/// A request to open a server at an address, such as `net:0.0.0.0:8008~shs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen(pub Address);

/// A request to finish the connection that a listener's raw socket begins.
#[derive(Debug)]
pub struct Accept<R> {
    /// What the [`Listener`] yielded.
    pub raw: R,
    /// When the last handshake must have ended.
    pub deadline: Option<Instant>,
}

/// The response to [`Listen`]: a listener, and the addresses under which peers reach it.
#[derive(Clone, Debug)]
pub struct Bound<L> {
    /// Where raw sockets come from.
    pub listener: L,
    /// What to tell whom. There may be several in a scope, and scopes without any.
    pub addresses: Vec<(Scope, Address)>,
}

/// Where raw sockets come from.
pub trait Listener: Send + Unpin + 'static {
    /// A socket before any handshake. The transport's `Service<Accept<Raw>>` makes a [`Connection`](crate::Connection)
    /// of it.
    type Raw: Send + 'static;

    /// The next socket. `None` says that there will be no more.
    ///
    /// An error is of this one attempt: [`Incoming`](crate::Incoming) waits a little where the machine is out of
    /// resources, and goes on.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Self::Raw>>>;

    /// The peer's IP address, by which unfinished handshakes are shared out.
    fn peer_ip(_raw: &Self::Raw) -> Option<IpAddr> {
        None
    }
}

impl<L> Bound<L> {
    /// A listener that peers reach at these transport sections.
    pub fn new(listener: L, sections: impl IntoIterator<Item = (Scope, Section)>) -> Self {
        let sections = sections.into_iter();
        Self {
            listener,
            addresses: sections
                .map(|(scope, section)| (scope, Address::new(section)))
                .collect(),
        }
    }

    /// Lays a transform's section over every address.
    pub(crate) fn layered(
        mut self,
        advertise: impl Fn(Scope) -> Result<Section, Error>,
    ) -> Result<Self, Error> {
        for (scope, address) in &mut self.addresses {
            let section = advertise(*scope).map_err(|error| error.at(|| address.clone()))?;
            address.push(section);
        }
        Ok(self)
    }
}

/// The listener of a transport that can only dial: there is none.
#[derive(Clone, Copy, Debug)]
pub enum DialOnly {}

impl Listener for DialOnly {
    type Raw = Infallible;

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Option<io::Result<Infallible>>> {
        match *self {}
    }
}
