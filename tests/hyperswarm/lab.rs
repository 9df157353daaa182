//! A DHT on 127.0.0.1, and nodes of it.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use tower_multiserver::{
    Connection, Identity, Incoming, Seed, Shutdown, StackExt,
    hyperswarm::{HyperDht, HyperDhtListener, HyperIo, HyperNode, HyperNodeBuilder},
};

/// The nodes that hold what others announce.
pub(crate) struct Lab {
    nodes: Vec<HyperNode>,
    bootstrap: String,
}

/// A listener, and what keeps it open.
pub(crate) struct Server {
    pub(crate) node: HyperNode,
    pub(crate) incoming: Incoming<HyperDht, HyperDhtListener, HyperIo>,
    _shutdown: Shutdown,
}

/// How long anything may take that is to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Seed::from_bytes([seed; 32]))
}

pub(crate) fn local(identity: Identity) -> HyperNodeBuilder {
    HyperNode::builder(identity).bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let first = local(Identity::generate().unwrap())
            .bootstrap([""; 0])
            .persistent(true)
            .spawn()
            .await
            .unwrap();
        let bootstrap = first.local_addr().await.unwrap().to_string();
        let mut nodes = vec![first];
        for _ in 0..3 {
            let node = local(Identity::generate().unwrap())
                .bootstrap([&bootstrap])
                .persistent(true);
            nodes.push(node.spawn().await.unwrap());
        }
        Self { nodes, bootstrap }
    }

    pub(crate) fn builder(&self, seed: u8) -> HyperNodeBuilder {
        assert!(!self.nodes.is_empty());
        local(identity(seed)).bootstrap([&self.bootstrap])
    }

    /// The address of the first node.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) async fn node(&self, seed: u8) -> HyperNode {
        self.builder(seed).spawn().await.unwrap()
    }

    pub(crate) async fn server(&self, seed: u8) -> Server {
        serve(self.node(seed).await).await
    }
}

pub(crate) async fn serve(node: HyperNode) -> Server {
    let (shutdown, closing) = Shutdown::new();
    let stack = HyperDht::new(node.clone());
    let incoming = stack.listen("hyperdht", closing).await.unwrap();
    Server {
        node,
        incoming,
        _shutdown: shutdown,
    }
}

/// A connection of a new node with a server: the dialer's end and the server's.
pub(crate) async fn pair(
    lab: &Lab,
    server: &mut Server,
    seed: u8,
) -> (Connection<HyperIo>, Connection<HyperIo>) {
    let stack = HyperDht::new(lab.node(seed).await);
    let dial = stack.dial(server.node.section().to_string());
    let (dialed, accepted) = tokio::join!(dial, server.incoming.next());
    (dialed.unwrap(), accepted.expect("a peer").unwrap())
}
