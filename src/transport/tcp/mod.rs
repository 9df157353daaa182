//! What `net`, `ws` and `onion` share: TCP sockets, names, and where a socket can be reached.

mod bind;
mod dial;
mod host_port;
mod hosts;

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tower_multiserver_core::Scope;

pub(crate) use bind::bind;
pub(crate) use dial::connect;
pub use host_port::HostPort;
#[cfg(feature = "onion")]
pub(super) use host_port::is_ipv6;
pub(crate) use hosts::hosts;

/// A silent peer is asked after a minute whether it is still there, and given up half a minute later.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Sends small messages at once, and notices a peer that is gone.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&KEEP_ALIVE)
}

/// Sets the user timeout of RFC 9293, section 3.8.3, where one is given.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(crate) fn set_user_timeout(stream: &TcpStream, timeout: Option<Duration>) -> io::Result<()> {
    match timeout {
        Some(_) => SockRef::from(stream).set_tcp_user_timeout(timeout),
        None => Ok(()),
    }
}

/// The system has none.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(crate) fn set_user_timeout(_: &TcpStream, _: Option<Duration>) -> io::Result<()> {
    Ok(())
}

/// Where the peer is, from both ends of the real socket.
pub(crate) fn scope(peer: SocketAddr, local: SocketAddr) -> Scope {
    Scope::of_ip(peer.ip()).max(Scope::of_ip(local.ip()))
}

/// An IPv4 address that came in over a dual-stack socket is an IPv4 address.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip if ip == addr.ip() => addr,
        ip => SocketAddr::new(ip, addr.port()),
    }
}
