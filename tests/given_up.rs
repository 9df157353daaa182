//! Nothing that is given up half way keeps anything. Alone in its process, whose descriptors are counted.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod support;

use std::{fs, path::Path};

use support::{HANG, identity, shs};
use tokio::{
    runtime::Handle,
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower::Layer as _;
use tower_multiserver::{
    MultiServer, Scope,
    knock::KnockLayer,
    mtls::MtlsLayer,
    net::Net,
    noise::NoiseLayer,
    unix::Unix,
    ws::Ws,
    wss::{Certificate, Trust, Wss},
};
use tower_multiserver_core::testing::cancelled_after;

fn stacks(name: &str, wss: Wss) -> MultiServer {
    let knock = KnockLayer::new(identity(name)).layer(Net::new());
    MultiServer::new()
        .stack(shs(name).layer(Net::new()))
        .stack(shs(name).layer(Unix::new()))
        .stack(shs(name).layer(Ws::new()))
        .stack(shs(name).layer(wss))
        .stack(NoiseLayer::new(identity(name)).layer(Net::new()))
        .stack(MtlsLayer::new(identity(name)).layer(knock))
}

/// What this process has: descriptors, tasks, and files in this directory.
fn held(directory: &Path) -> [usize; 3] {
    let count = |directory: &Path| fs::read_dir(directory).expect("readable").count();
    let tasks = Handle::current().metrics().num_alive_tasks();
    [count(Path::new("/proc/self/fd")), tasks, count(directory)]
}

#[tokio::test]
async fn a_dial_or_listen_dropped_at_any_await_leaves_no_descriptor_no_task_and_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let held = || held(directory.path());
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let issued = issued.expect("a certificate");
    let (chain, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    let certificate = Certificate::from_pem(&chain, key).expect("a certificate");
    let server = stacks("bob", Wss::new().certificate(certificate));
    let roots = Trust::roots(&chain).expect("one");
    let client = stacks("alice", Wss::new().trust(roots));
    let unix = format!("unix:{}/socket~shs", directory.path().display());
    for at in [
        "net:127.0.0.1:0~shs",
        "net:127.0.0.1:0~noise",
        "net:127.0.0.1:0~knock~mtls",
        "ws://localhost:0~shs",
        "wss://localhost:0~shs",
        &unix,
    ] {
        let before = held();
        let as_before = async {
            while held() != before {
                yield_now().await;
            }
        };
        let mut times = [0; 2];
        for polls in 0.. {
            if let Some(listening) = cancelled_after(polls, server.listen(at)).await {
                listening.expect("listening");
                break;
            }
            times[0] += 1;
        }
        let mut listening = server.listen(at).await.expect("let go of before");
        let to = listening.addresses(Scope::Device).expect("an address");
        let mut serving = JoinSet::new();
        serving.spawn(async move { while listening.next().await.is_some() {} });
        for polls in 0.. {
            if let Some(dialed) = cancelled_after(polls, client.dial(to.clone())).await {
                dialed.expect("dialed");
                break;
            }
            times[1] += 1;
        }
        serving.shutdown().await;
        let left = timeout(HANG, as_before).await;
        assert!(left.is_ok(), "{at}: {:?}, before it {before:?}", held());
        let [listens, dials] = times;
        println!("measured given_up\t{at}\t{listens} listens, {dials} dials");
        assert!(dials > 1, "{at}: it never waits");
    }
}
