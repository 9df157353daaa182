//! Where the packets of our streams pass.
//!
//! A socket of `libudx` hands packets to streams of its own only. Three of those relay for each stream of ours: one on the node's
//! socket, which peers know, and one for each direction on a socket between it and ours, both on the loopback interface. For a
//! packet one that relays locks itself and then the one to which it relays, so no two may relay to each other.

use crate::lock::lock;
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use libudx::{UdxError, UdxRuntime, UdxSocket, UdxStream};
use socket2::SockRef;
use tokio::{net::UdpSocket, sync::mpsc};

/// The sockets of a node on the loopback interface.
pub(in super::super) struct Port {
    /// Theirs, by which packets come and go.
    between: UdxSocket,
    between_at: SocketAddr,
    /// Ours.
    pub(super) socket: UdpSocket,
    at: SocketAddr,
    streams: Mutex<HashMap<u32, mpsc::Sender<Vec<u8>>>>,
    /// A stream that is not connected.
    nowhere: UdxStream,
}

/// The streams that relay for one of ours, until this is dropped.
pub(super) struct Relays {
    port: Arc<Port>,
    id: u32,
    /// The number by which packets for the peer go.
    pub(super) out: u32,
    _streams: (Arc<UdxStream>, [UdxStream; 2]),
}

/// How many packets wait for a stream before more are dropped, as a network does.
const QUEUE: usize = 1024;

/// What the kernel keeps for us, if it allows so much.
const BUFFER: usize = 4 * 1024 * 1024;

impl Port {
    pub(in super::super) async fn open(udx: &UdxRuntime) -> Result<Self, UdxError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let between = udx.create_socket().await?;
        between.bind(any).await?;
        let socket = UdpSocket::bind(any).await?;
        // As much as the kernel gives is good enough.
        let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER);
        Ok(Self {
            between_at: between.local_addr().await?,
            between,
            at: socket.local_addr()?,
            socket,
            streams: Mutex::default(),
            nowhere: udx.create_stream(0).await?,
        })
    }

    /// Hands packets on for ever.
    pub(in super::super) async fn run(self: Arc<Self>) {
        let mut buffer = vec![0; 65536];
        loop {
            // An error is of one packet that could not be sent.
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer).await
                && from == self.between_at
                && let Some(packet @ &[_, _, _, _, a, b, c, d, ..]) = buffer.get(..length)
            {
                let id = u32::from_le_bytes([a, b, c, d]);
                if let Some(stream) = lock(&self.streams).get(&id) {
                    let _ = stream.try_send(packet.to_vec());
                }
            }
        }
    }

    /// Has `outer`, a stream on the node's socket, relay to a stream of ours and back.
    pub(super) async fn relay(
        self: &Arc<Self>,
        udx: &UdxRuntime,
        outer: Arc<UdxStream>,
    ) -> Result<(Relays, mpsc::Receiver<Vec<u8>>), UdxError> {
        let mut ids = [[0; 4]; 3];
        let filled = getrandom::fill(ids.as_flattened_mut());
        filled.map_err(|error| UdxError::Io(io::Error::other(error)))?;
        let [id, out, unused] = ids.map(u32::from_le_bytes);
        let from_us = udx.create_stream(out).await?;
        from_us.relay_to(&outer)?;
        from_us.connect(&self.between, id, self.at).await?;
        // It says where we are, and no packet comes by its number. One that relays sends no heartbeats of its own, which we would
        // take for the peer's.
        let to_us = udx.create_stream(unused).await?;
        to_us.relay_to(&self.nowhere)?;
        to_us.connect(&self.between, id, self.at).await?;
        outer.relay_to(&to_us)?;
        let (sender, packets) = mpsc::channel(QUEUE);
        lock(&self.streams).insert(id, sender);
        let relays = Relays {
            port: self.clone(),
            id,
            out,
            _streams: (outer, [from_us, to_us]),
        };
        Ok((relays, packets))
    }
}

impl Relays {
    /// Sends a packet to the peer.
    pub(super) async fn send(&self, packet: &[u8]) {
        // What is lost is sent again.
        let _ = self.port.socket.send_to(packet, self.port.between_at).await;
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        lock(&self.port.streams).remove(&self.id);
    }
}
