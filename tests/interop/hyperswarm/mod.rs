//! Against npm hyperswarm 4 and hyperdht 6, on a DHT of theirs on 127.0.0.1.

/// Makes of each function two tests: the npm peer listens, and it dials.
macro_rules! both_ways {
    ($(async fn $test:ident($npm:ident, $dht:ident, $npm_listens:ident) $body:block)+) => {$(
        mod $test {
            use super::*;

            async fn check($npm_listens: bool) {
                let Some(mut $npm) = Npm::start() else { return };
                let $dht = $npm.testnet().await;
                let run = async { $body };
                timeout(crate::harness::PATIENCE, run).await.expect("it ends in time");
            }

            #[tokio::test]
            async fn with_npm_as_server() {
                check(true).await;
            }

            #[tokio::test]
            async fn with_npm_as_client() {
                check(false).await;
            }
        }
    )+};
}

#[cfg(feature = "cli")]
mod chat;
mod mesh;
mod process;
mod sockets;

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tower_multiserver::{
    Connection, Identity, Incoming, Seed, Shutdown, StackExt as _,
    hyperswarm::{Handshake, HyperDht, HyperDhtListener, HyperIo, HyperNode},
};

use self::process::Npm;

const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Seed::from_bytes([seed; 32]))
}

async fn node(seed: u8, dht: &[String]) -> HyperNode {
    HyperNode::builder(identity(seed))
        .bootstrap(dht)
        .bind(LOCAL)
        .spawn()
        .await
        .unwrap()
}

fn hex_key(seed: u8) -> String {
    hex::encode(identity(seed).public_key().as_bytes())
}

struct Server {
    incoming: Incoming<HyperDht, HyperDhtListener, HyperIo>,
    _shutdown: Shutdown,
}

async fn serve(node: HyperNode) -> Server {
    let (_shutdown, closing) = Shutdown::new();
    let incoming = HyperDht::new(node).listen("hyperdht", closing);
    Server {
        incoming: incoming.await.unwrap(),
        _shutdown,
    }
}

/// The npm peer listens and we dial, or the other way round; what the npm peer does with the connection.
async fn meet(
    npm: &mut Npm,
    dht: &[String],
    npm_listens: bool,
    mut behaviour: Value,
) -> (u64, Connection<HyperIo>) {
    behaviour["seed"] = json!(2);
    let node = node(1, dht).await;
    if npm_listens {
        let job = npm.tell("listen", behaviour).await;
        let key = npm.event(job, "ready").await["key"].clone();
        let began = Instant::now();
        let dial = HyperDht::new(node).dial(format!("hyperdht:{}", key.as_str().unwrap()));
        let connection = dial.await.unwrap();
        println!("connected with npm in {} ms", began.elapsed().as_millis());
        (job, connection)
    } else {
        let mut server = serve(node).await;
        behaviour["key"] = json!(hex_key(1));
        let job = npm.tell("dial", behaviour).await;
        let connection = server.incoming.next().await.unwrap().unwrap();
        let open = npm.event(job, "open").await;
        println!("npm connected in {} ms", open["ms"]);
        (job, connection)
    }
}

both_ways! {
    async fn both_ends_know_the_same_of_the_connection(npm, dht, npm_listens) {
        let (job, connection) = meet(&mut npm, &dht, npm_listens, json!({ "behaviour": "keep" })).await;
        let theirs = npm.event(job, "connection").await;
        let ours = *connection.info().get::<Handshake>().unwrap();
        assert_eq!(theirs["hash"], hex::encode(ours.hash));
        assert_eq!(theirs["initiator"], !ours.is_initiator);
        assert_eq!(theirs["key"], hex_key(1));
        assert_eq!(connection.info().remote_key(), Some(identity(2).public_key()));
    }

    async fn bulk_arrives_whole_in_both_directions_at_once(npm, dht, npm_listens) {
        const OURS: usize = 8_000_000;
        const THEIRS: usize = 8_000_000;
        let behaviour = json!({ "behaviour": "exchange", "size": THEIRS });
        let (job, connection) = meet(&mut npm, &dht, npm_listens, behaviour).await;
        let bytes: Vec<u8> = (0..OURS).map(|n| (n * 31 / 7) as u8).collect();
        let began = Instant::now();
        let (mut read, mut write) = tokio::io::split(connection);
        let send = async {
            write.write_all(&bytes).await.unwrap();
            write.shutdown().await.unwrap();
            began.elapsed()
        };
        let receive = async {
            let mut came = Vec::new();
            read.read_to_end(&mut came).await.unwrap();
            (came, began.elapsed())
        };
        let (sent, (came, received)) = tokio::join!(send, receive);
        let told = npm.event(job, "exchanged").await;
        assert_eq!(told["count"], OURS);
        assert_eq!(told["came"], hex::encode(Sha256::digest(&bytes)));
        assert_eq!(came.len(), THEIRS);
        assert_eq!(told["sent"], hex::encode(Sha256::digest(&came)));
        let rate = |count: usize, took: Duration| count as f64 / 1e6 / took.as_secs_f64();
        println!("{:.1} MB/s out, {:.1} MB/s in", rate(OURS, sent), rate(THEIRS, received));
    }

    async fn a_half_close_leaves_the_other_direction_open(npm, dht, npm_listens) {
        let (_, mut connection) = meet(&mut npm, &dht, npm_listens, json!({ "behaviour": "answer" })).await;
        connection.write_all(b"question").await.unwrap();
        connection.shutdown().await.unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
    }

    async fn a_destroyed_connection_is_a_reset_and_not_an_end(npm, dht, npm_listens) {
        let (_, mut connection) = meet(&mut npm, &dht, npm_listens, json!({ "behaviour": "destroy" })).await;
        connection.write_all(b"x").await.unwrap();
        // Silence would be another error in the end.
        let error = connection.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }

    async fn our_drop_is_an_end_at_once(npm, dht, npm_listens) {
        let (job, mut connection) = meet(&mut npm, &dht, npm_listens, json!({ "behaviour": "keep" })).await;
        connection.write_all(b"bye").await.unwrap();
        drop(connection);
        assert_eq!(npm.event(job, "data").await["text"], "bye");
        npm.event(job, "end").await;
        // It is told, and need not find out by silence.
        loop {
            let told = npm.event_of(job, &["close", "error"]).await;
            assert_ne!(told["code"], "ETIMEDOUT");
            if told["event"] == "close" {
                break;
            }
        }
    }

    async fn a_killed_peer_is_noticed(npm, dht, npm_listens) {
        let mut other = Npm::start().expect("the first one started");
        other.join_dht(&dht).await;
        let (_, mut connection) = meet(&mut other, &dht, npm_listens, json!({ "behaviour": "keep" })).await;
        other.kill().await;
        let read = timeout(Duration::from_secs(40), connection.read(&mut [0])).await;
        let error = read.expect("within the idle timeout").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        drop(npm);
    }
}

#[tokio::test]
async fn an_npm_peer_connects_ten_times_in_turn() {
    let Some(mut npm) = Npm::start() else { return };
    let dht = npm.testnet().await;
    let mut server = serve(node(1, &dht).await).await;
    for _ in 0..10 {
        let dial = json!({ "behaviour": "keep", "seed": 2, "key": hex_key(1) });
        let job = npm.tell("dial", dial).await;
        let mut connection = server.incoming.next().await.unwrap().unwrap();
        connection.write_all(b"hello").await.unwrap();
        assert_eq!(npm.event(job, "data").await["text"], "hello");
    }
}
