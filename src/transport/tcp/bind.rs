//! Opening a listening socket.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

/// What the kernel queues of connections that we have not accepted yet. Linux cuts it to `net.core.somaxconn`, 4096
/// unless set; with less, a burst of peers waits for its SYNs to be sent again.
const BACKLOG: i32 = 4096;

/// Listens at the first of the host's addresses that this machine has, IPv4 first.
pub(crate) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut result = Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the name has no address",
    ));
    for address in addresses {
        result = listen(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        // `::` is everybody, IPv4 too, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    // So that a restart does not wait for the last connections to time out. (On Windows it would mean something else.)
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
