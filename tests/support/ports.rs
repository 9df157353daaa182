//! Ports at which nobody listens.
#![allow(dead_code, reason = "each test target uses a part")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::net::TcpSocket;

/// A port that refuses connections, and what keeps others from taking it.
pub(crate) fn closed_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(any).expect("bound");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// A port to listen at later, of TCP and of UDP.
pub(crate) fn free_port() -> u16 {
    free_ports(1).expect("one")
}

/// The first of so many ports in a row to listen at later, below those that the kernel gives to who asks for any. No two calls
/// of a process get the same, and two processes begin elsewhere.
pub(crate) fn free_ports(count: u16) -> Option<u16> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    (0..BLOCKS).find_map(|_| {
        let block = std::process::id() * 37 + CALLS.fetch_add(1, Relaxed);
        let first = 10_000 + (block % BLOCKS) as u16 * BLOCK;
        let bind = |port| {
            let at = (Ipv4Addr::LOCALHOST, port);
            Ok((TcpListener::bind(at)?, UdpSocket::bind(at)?))
        };
        let bound: std::io::Result<Vec<_>> = (first..first + count).map(bind).collect();
        bound.is_ok().then_some(first)
    })
}

const BLOCKS: u32 = 1000;
const BLOCK: u16 = 16;
