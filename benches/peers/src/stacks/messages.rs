//! Messages over `net~shs`: those of a swarm, and the same framing on a connection without one.

use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tower::{BoxError, ServiceBuilder};
use tower_multiserver::{
    Connection, Identity, MultiServer,
    net::Net,
    peer_socket::{AddressNetwork, BareSocket, Message, PeerSocket, PeerSockets, Swarm, SwarmId},
    shs::ShsLayer,
};

use crate::{
    Result,
    channel::Channel,
    stack::{Stack, spawn},
    work::Work,
};

/// A socket, what is left of its last message, and what it lives by.
pub(crate) struct Messages<S, K> {
    socket: S,
    rest: Bytes,
    _keeper: K,
}

impl<S, K> Messages<S, K> {
    fn new(socket: S, keeper: K) -> Self {
        Self {
            socket,
            rest: Bytes::new(),
            _keeper: keeper,
        }
    }
}

impl<S, E, K> Channel for Messages<S, K>
where
    S: Stream<Item = std::result::Result<Message, E>> + Unpin + Send + 'static,
    S: Sink<Message, Error: Into<BoxError>>,
    E: Into<BoxError> + Send,
    K: Send + 'static,
{
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let message = Message::Bytes(Bytes::copy_from_slice(bytes));
        self.socket.feed(message).await.map_err(Into::into)
    }

    async fn flush(&mut self) -> Result<()> {
        self.socket.flush().await.map_err(Into::into)
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.rest.is_empty() {
            match self.socket.next().await {
                None => return Ok(0),
                Some(message) => match message.map_err(Into::into)? {
                    Message::Bytes(bytes) => self.rest = bytes,
                    other => return Err(format!("what is {other:?}?").into()),
                },
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

/// A socket to each peer in a swarm.
#[derive(Clone)]
pub(crate) struct InSwarm;

fn layers(identity: Identity) -> MultiServer {
    let shs = ShsLayer::new(identity);
    MultiServer::new().stack(ServiceBuilder::new().layer(shs).service(Net::new()))
}

async fn join(network: AddressNetwork) -> Result<(PeerSockets, Swarm)> {
    let sockets = PeerSockets::builder(network).build()?;
    let swarm = sockets.join(SwarmId::open("peers")).await?;
    Ok((sockets, swarm))
}

impl Stack for InSwarm {
    type Channel = Messages<PeerSocket, (PeerSockets, Swarm)>;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let network = AddressNetwork::new(layers).listen("net:127.0.0.1:0~shs")?;
        let (sockets, swarm) = join(network.clone()).await?;
        let addresses = network.addresses(&sockets.public_key());
        listening(addresses[0].1.to_string());
        let mut incoming = swarm.incoming();
        while let Some(socket) = incoming.next().await {
            spawn(work, async { Ok(Messages::new(socket, ())) });
        }
        Ok(())
    }

    async fn dial(&self, address: &str) -> Result<Self::Channel> {
        let network = AddressNetwork::new(layers);
        network.add_peer(address)?;
        let (sockets, swarm) = join(network).await?;
        let socket = swarm.next_socket().await;
        Ok(Messages::new(socket, (sockets, swarm)))
    }
}

/// A socket that has a connection for itself.
#[derive(Clone)]
pub(crate) struct Bare(MultiServer);

impl Bare {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(layers(Identity::generate()?)))
    }
}

impl Stack for Bare {
    type Channel = Messages<BareSocket<Connection>, ()>;

    async fn serve(self, work: Work, listening: impl FnOnce(String) + Send) -> Result<()> {
        let mut incoming = self.0.listen("net:127.0.0.1:0~shs").await?;
        listening(incoming.all_addresses()[0].1.to_string());
        while let Some(accepted) = incoming.next().await {
            let socket = accepted.map(|io| Messages::new(BareSocket::new(io), ()));
            spawn(work, async { Ok(socket?) });
        }
        Ok(())
    }

    async fn dial(&self, address: &str) -> Result<Self::Channel> {
        let io = self.0.dial(address).await?;
        Ok(Messages::new(BareSocket::new(io), ()))
    }
}
