//! What the tests share: peers, and a network whose every connection is made by the test.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tower_multiserver::{
    Error, Identity, PublicKey,
    peer_socket::{
        Guard, Link, Malformed, Membership, MemoryHub, Message, Network, Node, PeerSocket,
        PeerSockets, Presence, Swarm, SwarmId, Topic,
    },
};

/// Nothing takes longer, but what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn room() -> SwarmId {
    SwarmId::open("room")
}

pub(crate) fn peers(network: impl Network) -> PeerSockets {
    PeerSockets::builder(network).build().unwrap()
}

/// Two peers in the same room, and their sockets to each other.
pub(crate) async fn pair() -> ([Swarm; 2], [PeerSocket; 2]) {
    let hub = MemoryHub::new();
    let a = peers(hub.clone()).join(room()).await.unwrap();
    let b = peers(hub).join(room()).await.unwrap();
    let sockets = [socket(&a).await, socket(&b).await];
    ([a, b], sockets)
}

/// The first socket of a swarm.
pub(crate) async fn socket(swarm: &Swarm) -> PeerSocket {
    timeout(PATIENCE, swarm.next_socket()).await.unwrap()
}

pub(crate) async fn recv(socket: &PeerSocket) -> Option<Result<Message, Malformed>> {
    timeout(PATIENCE, socket.recv()).await.unwrap()
}

/// The next message, which is JSON.
pub(crate) async fn json(socket: &PeerSocket) -> Value {
    match recv(socket).await {
        Some(Ok(Message::Json(value))) => value,
        other => panic!("{other:?}"),
    }
}

/// What `future` gives; `None` when it does not go on, whatever everybody else does.
pub(crate) async fn unless_stuck<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    for _ in 0..1000 {
        if let Some(result) = future.as_mut().now_or_never() {
            return Some(result);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Waits until `reached` holds, which others bring about.
pub(crate) async fn until(mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

/// A network whose every connection is made by the test.
#[derive(Clone, Default)]
pub(crate) struct Lab(Arc<Mutex<HashMap<PublicKey, mpsc::Sender<Link>>>>);

/// A connection, until it is cut.
pub(crate) struct Cable {
    task: JoinHandle<()>,
    pub(crate) ended: mpsc::Receiver<()>,
}

/// One end of a connection, in the hands of the test.
pub(crate) struct Wire(pub(crate) DuplexStream);

impl Lab {
    /// Connects two of those that have joined a swarm.
    pub(crate) async fn connect(&self, a: PublicKey, b: PublicKey) -> Cable {
        let (ours, mut left) = duplex(1024);
        let (theirs, mut right) = duplex(1024);
        let (lease, ended) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let _ = copy_bidirectional(&mut left, &mut right).await;
        });
        let hash = fresh_hash();
        let link = Link::over(ours, b, hash)
            .initiator(true)
            .lease(lease.clone());
        self.hand_over(a, link).await;
        self.hand_over(b, Link::over(theirs, a, hash).lease(lease))
            .await;
        Cable { task, ended }
    }

    /// Connects one that has joined a swarm to a peer that the test plays.
    pub(crate) async fn wire(&self, to: PublicKey, from: PublicKey) -> Wire {
        self.narrow_wire(to, from, 1 << 20).await
    }

    /// The same, where each direction holds so many bytes.
    pub(crate) async fn narrow_wire(&self, to: PublicKey, from: PublicKey, len: usize) -> Wire {
        let (ours, theirs) = duplex(len);
        self.hand_over(to, Link::over(theirs, from, fresh_hash()))
            .await;
        Wire(ours)
    }

    pub(crate) async fn hand_over(&self, to: PublicKey, link: Link) {
        let links = self.0.lock().unwrap().get(&to).unwrap().clone();
        links.send(link).await.unwrap();
    }
}

fn fresh_hash() -> [u8; 64] {
    *Identity::generate().unwrap().to_keypair_bytes()
}

impl Cable {
    /// Cuts it, without a word to either end, and waits until both have seen it.
    pub(crate) async fn cut(mut self) {
        self.task.abort();
        assert!(
            timeout(PATIENCE, self.ended.recv())
                .await
                .unwrap()
                .is_none()
        );
    }
}

impl Wire {
    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &[u8]) {
        let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
        self.0
            .write_all(&[&len[..3], frame].concat())
            .await
            .unwrap();
    }

    /// The next frame that is not empty; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut len = [0; 4];
            let read = timeout(PATIENCE, self.0.read_exact(&mut len[..3]))
                .await
                .unwrap();
            read.ok()?;
            let mut frame = vec![0; u32::from_le_bytes(len) as usize];
            self.0.read_exact(&mut frame).await.unwrap();
            if !frame.is_empty() {
                return Some(frame);
            }
        }
    }

    /// The frame with which our side opens its first channel, and the id that is in it.
    pub(crate) async fn opening(&mut self) -> (Vec<u8>, Vec<u8>) {
        let frame = self.frame().await.unwrap();
        let head = b"\0\x01\x01\x0cpeersocket/1\x20";
        assert_eq!(frame[..head.len()], head[..]);
        let id = frame[head.len()..head.len() + 32].to_vec();
        (frame, id)
    }
}

impl Network for Lab {
    fn open(&self, identity: Identity, _: Guard) -> BoxFuture<'_, Result<Presence, Error>> {
        let (sender, receiver) = mpsc::channel(8);
        self.0.lock().unwrap().insert(identity.public_key(), sender);
        let links = stream::unfold(receiver, async |mut receiver| {
            Some((receiver.recv().await?, receiver))
        });
        let presence = Presence::new(LabNode, links.boxed());
        async { Ok(presence) }.boxed()
    }
}

struct LabNode;

impl Node for LabNode {
    fn join(&self, _: Topic) -> BoxFuture<'_, Result<Box<dyn Membership>, Error>> {
        async { Ok(Box::new(LabNode) as Box<dyn Membership>) }.boxed()
    }
}

impl Membership for LabNode {
    fn leave(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}
