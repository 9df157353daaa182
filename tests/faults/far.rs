//! The far host where the test's own program is on it: an echo over every stack.

use std::{process::Stdio, time::Duration};

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines, copy, split,
    },
    process::{Child, ChildStdout, Command},
};
use tower::Layer as _;
use tower_multiserver::{
    BoxIo, Connection, MultiServer, PeerId,
    net::Net,
    noise::NoiseLayer,
    ragep2p::{Host, Limits, RateLimit, Stream},
    ws::Ws,
    wss::{Certificate, Trust, Wss},
};

use crate::support::{identity, shs};

/// Where it listens, with every stack of byte streams.
const STREAMS: [&str; 4] = [
    "net:10.9.0.2:7001~shs",
    "net:10.9.0.2:7002~noise",
    "ws://10.9.0.2:7003~shs",
    "wss://10.9.0.2:7004",
];

const RAGE: &str = "net:10.9.0.2:7005";

/// What it said of itself, and its process, which ends when it cannot say any more.
pub(crate) struct Far {
    told: Value,
    _process: (Child, Lines<BufReader<ChildStdout>>),
}

impl Far {
    pub(crate) async fn start() -> Self {
        let program = std::env::current_exe().expect("it runs");
        let mut process = Command::new("ip")
            .args(["netns", "exec", "far"])
            .arg(program)
            .args(["--ignored", "--exact", "far::serves", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(process.stdout.take().expect("piped")).lines();
        let told = loop {
            let line = said.next_line().await.expect("text").expect("it serves");
            // In a line that the test runner has begun.
            if let Some((_, told)) = line.split_once("serving ") {
                break serde_json::from_str(told).expect("JSON");
            }
        };
        let _process = (process, said);
        Self { told, _process }
    }

    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().expect("a text")
    }

    /// The near host's way to it, whose dials take no longer than so.
    pub(crate) fn door(&self, dial_timeout: Duration) -> MultiServer {
        let trust = Trust::roots(self.text("certificate")).expect("an authority");
        door("near", dial_timeout, |wss| wss.trust(trust))
    }

    /// To dial, with the name of each stack.
    pub(crate) fn streams() -> impl Iterator<Item = (&'static str, String)> {
        let key = identity("far").public_key();
        STREAMS.into_iter().map(move |at| match at.split_once('~') {
            Some((transport, layer)) => (at, format!("{transport}~{layer}:{key}")),
            None => (at, at.to_owned()),
        })
    }

    /// Where the first node of its DHT is.
    #[cfg(feature = "hyperswarm")]
    pub(crate) fn bootstrap(&self) -> &str {
        self.text("bootstrap")
    }

    /// The near host of ragep2p, and its stream to the far one.
    pub(crate) async fn rage(&self) -> (Host, Stream) {
        use tower_multiserver::ragep2p::KnownPeers;
        let far: PeerId = identity("far").public_key().into();
        let known = KnownPeers::new().peer(far, RAGE).expect("an address");
        let near = Host::builder(identity("near"))
            .discover(known)
            .connect_timeout(Duration::from_secs(10));
        let near = near.start().await.expect("it starts");
        let stream = near.stream(far, "echo").limits(wide()).open();
        (near, stream.expect("open"))
    }
}

/// All stacks.
fn door(name: &str, dial_timeout: Duration, tls: impl FnOnce(Wss) -> Wss) -> MultiServer {
    let net = Net::new().dial_timeout(dial_timeout);
    let ws = Ws::new().dial_timeout(dial_timeout);
    MultiServer::new()
        .stack(shs(name).layer(net.clone()))
        .stack(NoiseLayer::new(identity(name)).layer(net))
        .stack(shs(name).layer(ws.clone()))
        .stack(tls(Wss::over(ws)))
}

fn wide() -> Limits {
    Limits {
        outgoing: 1000,
        incoming: 1000,
        max_message: 1 << 20,
        messages: RateLimit::new(1e6, 1 << 20),
        bytes: RateLimit::new(1e9, 1 << 30),
    }
}

/// Until its stdin ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is the far host of others"]
async fn serves() {
    let made = rcgen::generate_simple_self_signed(["10.9.0.2".to_owned()]).expect("a key");
    let certificate = made.cert.pem();
    let pair = Certificate::from_pem(&certificate, made.signing_key.serialize_pem());
    let pair = pair.expect("a pair");
    let door = door("far", Duration::ZERO, |wss| wss.certificate(pair));
    let mut listening = door.listen(STREAMS.join(";")).await.expect("listening");
    tokio::spawn(async move {
        while let Some(accepted) = listening.next().await {
            if let Ok(connection) = accepted {
                tokio::spawn(echo(connection));
            }
        }
    });

    let rage = Host::builder(identity("far")).listen(RAGE);
    let rage = rage.expect("an address").start().await.expect("it starts");
    let near = identity("near").public_key().into();
    let stream = rage.stream(near, "echo").limits(wide()).open();
    let mut stream = stream.expect("open");
    tokio::spawn(async move {
        while let Some(message) = stream.recv().await {
            stream.feed(message).await.expect("open");
        }
    });

    #[cfg(feature = "hyperswarm")]
    let (_dht, bootstrap) = hyperdht::serve().await;
    #[cfg(not(feature = "hyperswarm"))]
    let bootstrap = "";
    let told = json!({ "certificate": certificate, "bootstrap": bootstrap });
    println!("serving {told}");
    let _ = tokio::io::stdin().read(&mut [0]).await;
}

async fn echo(connection: Connection<BoxIo>) {
    let (mut reader, mut writer) = split(connection);
    // Links fail here.
    if copy(&mut reader, &mut writer).await.is_ok() {
        let _ = writer.shutdown().await;
    }
}

#[cfg(feature = "hyperswarm")]
mod hyperdht {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use tower_multiserver::{
        Identity, Shutdown, StackExt as _,
        hyperswarm::{HyperDht, HyperNode, HyperNodeBuilder},
    };

    use super::{echo, identity};

    fn node(identity: Identity) -> HyperNodeBuilder {
        HyperNode::builder(identity).bind(SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 0))
    }

    /// A DHT, with an echo of this key in it. The nodes, and the address of the first.
    pub(super) async fn serve() -> (Vec<HyperNode>, String) {
        let other = || node(Identity::generate().expect("randomness")).persistent(true);
        let first = other().bootstrap([""; 0]).spawn().await.expect("a node");
        let bootstrap = first.local_addr().await.expect("it is bound").to_string();
        let mut nodes = vec![first];
        for _ in 0..3 {
            let next = other().bootstrap([&bootstrap]).spawn().await;
            nodes.push(next.expect("a node"));
        }
        let server = node(identity("far")).bootstrap([&bootstrap]).spawn().await;
        let stack = HyperDht::new(server.expect("a node"));
        tokio::spawn(async move {
            let (_shutdown, closing) = Shutdown::new();
            let listening = stack.listen("hyperdht", closing).await;
            let mut listening = listening.expect("listening");
            while let Some(accepted) = listening.next().await {
                if let Ok(connection) = accepted {
                    tokio::spawn(echo(connection.boxed()));
                }
            }
        });
        (nodes, bootstrap)
    }
}
