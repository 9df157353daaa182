//! A DHT on 127.0.0.1.

use std::net::{Ipv4Addr, SocketAddrV4};

use tower_multiserver::{
    Identity,
    hyperswarm::{HyperNode, HyperNodeBuilder},
};

/// The nodes that hold what others announce.
pub(crate) struct Dht {
    _nodes: Vec<HyperNode>,
    /// The node to ask first, `HOST:PORT`.
    pub(crate) bootstrap: String,
}

/// A node that is reached on this machine only.
pub(crate) fn local(identity: Identity) -> HyperNodeBuilder {
    HyperNode::builder(identity).bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
}

impl Dht {
    pub(crate) async fn new() -> Self {
        let node = || local(Identity::generate().expect("randomness")).persistent(true);
        let first = node().bootstrap([""; 0]).spawn().await.expect("a node");
        let bootstrap = first.local_addr().await.expect("it is bound").to_string();
        let mut nodes = vec![first];
        for _ in 0..3 {
            nodes.push(
                node()
                    .bootstrap([&bootstrap])
                    .spawn()
                    .await
                    .expect("a node"),
            );
        }
        Self {
            _nodes: nodes,
            bootstrap,
        }
    }
}
