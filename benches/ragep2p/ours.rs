//! Two hosts of ours.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Builder;
use tower_multiserver::{
    Identity,
    ragep2p::{Host, KnownPeers, Limits, RateLimit, Stream, Version},
};

use crate::{Figures, Load};

/// An acknowledgement is this long.
const ACK: usize = 8;

pub(crate) fn measure(version: Version, load: Load) -> Figures {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("there are threads");
    // On one of the two, as the rest is.
    let measured = runtime.spawn(async move {
        let (alice, bob) = hosts(version).await;
        let messages_per_second = throughput(streams(&alice, &bob, "flood").await, load).await;
        let mut echoes = echoes(streams(&alice, &bob, "echo").await, load).await;
        echoes.sort();
        let at = |part: f64| {
            let place = (echoes.len() as f64 * part) as usize;
            echoes[place].as_secs_f64() * 1e6
        };
        Figures {
            messages_per_second,
            p50: at(0.5),
            p99: at(0.99),
        }
    });
    runtime.block_on(measured).expect("it does not panic")
}

async fn hosts(version: Version) -> (Host, Host) {
    let [alice, bob] = [(); 2].map(|()| Identity::generate().expect("there is randomness"));
    let bob = Host::builder(bob)
        .version(version)
        .listen("net:127.0.0.1:0")
        .expect("an address");
    let bob = bob.start().await.expect("it listens");
    let at = bob.addresses()[0].1.transport().to_string();
    let known = KnownPeers::new().peer(bob.id(), &*at).expect("an address");
    let alice = Host::builder(alice)
        .version(version)
        .discover(known)
        .start()
        .await;
    (alice.expect("it starts"), bob)
}

/// Open at both ends.
async fn streams(alice: &Host, bob: &Host, name: &'static str) -> (Stream, Stream) {
    // More than a connection's limit can count, so that there is none.
    let limits = Limits {
        outgoing: 1000,
        incoming: 1000,
        max_message: 1 << 20,
        messages: RateLimit::new(1e6, u32::MAX),
        bytes: RateLimit::new(1e9, u32::MAX),
    };
    let open = |from: &Host, to: &Host| from.stream(to.id(), name).limits(limits).open();
    let mut ours = open(alice, bob).expect("open");
    let mut theirs = open(bob, alice).expect("open");
    let _ = ours.send("up").expect("open");
    theirs.recv().await.expect("open");
    let _ = theirs.send("up").expect("open");
    ours.recv().await.expect("open");
    (ours, theirs)
}

/// As the program in Go: so many messages, of which an eighth of the window is acknowledged at a time.
async fn throughput((mut ours, mut theirs): (Stream, Stream), load: Load) -> f64 {
    let every = load.window / 8;
    let acknowledge = tokio::spawn(async move {
        let mut heard = 0_u64;
        while heard < load.count {
            theirs.recv().await.expect("open");
            heard += 1;
            if heard.is_multiple_of(every) || heard == load.count {
                let _ = theirs.send(heard.to_be_bytes().to_vec()).expect("open");
            }
        }
        theirs
    });
    let message = Bytes::from(vec![7; load.size]);
    let begin = Instant::now();
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < load.count {
        while sent < load.count && sent - acknowledged < load.window {
            let _ = ours.send(message.clone()).expect("open");
            sent += 1;
        }
        let ack = ours.recv().await.expect("open");
        acknowledged = u64::from_be_bytes(ack[..ACK].try_into().expect("it is that long"));
    }
    let seconds = begin.elapsed().as_secs_f64();
    drop(acknowledge.await);
    load.count as f64 / seconds
}

async fn echoes((mut ours, mut theirs): (Stream, Stream), load: Load) -> Vec<Duration> {
    let echo = tokio::spawn(async move {
        while let Some(message) = theirs.recv().await {
            let _ = theirs.send(message);
        }
    });
    let message = Bytes::from(vec![7; load.size]);
    let mut times = Vec::with_capacity(load.echoes);
    for _ in 0..load.echoes {
        let begin = Instant::now();
        let _ = ours.send(message.clone()).expect("open");
        ours.recv().await.expect("open");
        times.push(begin.elapsed());
    }
    echo.abort();
    times
}
