//! Between the two hosts, over a link that delays, loses, doubles, swaps and changes packets, as the kernel's `sch_netem`
//! makes it.

use std::{
    io::ErrorKind as IoErrorKind,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, future::join_all};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{timeout, timeout_at},
};
use tower_multiserver::{Connection, ErrorKind, Io, MultiServer, ragep2p::Stream};

use crate::{
    far::Far,
    lab::{HANG, all_back, intact, measured, run},
};

/// To either side.
const BAD: &str = "delay 40ms 10ms loss 3% duplicate 1% reorder 5% corrupt 0.1%";

/// What the link does from now on.
async fn link(does: &str) {
    let near = format!("qdisc replace dev near root netem {does}");
    run("tc", &near.split(' ').collect::<Vec<_>>()).await;
    let far = format!("-n far qdisc replace dev far root netem {does}");
    run("tc", &far.split(' ').collect::<Vec<_>>()).await;
}

async fn mend() {
    run("tc", &["qdisc", "del", "dev", "near", "root"]).await;
    run("tc", &["-n", "far", "qdisc", "del", "dev", "far", "root"]).await;
}

/// Dials until it succeeds. The server gives each up after five seconds, which an emulated machine may need and more.
async fn dialed(door: &MultiServer, to: &str) -> Connection {
    let dials = async {
        loop {
            if let Ok(dialed) = door.dial(to).await {
                break dialed;
            }
        }
    };
    timeout(HANG, dials).await.expect("one succeeds")
}

/// A message that says its number.
fn message(number: u32) -> Vec<u8> {
    let rest = (4..32 << 10).map(|at| ((number + at) % 251) as u8);
    number.to_be_bytes().into_iter().chain(rest).collect()
}

/// The number of a message, which is as it was sent.
fn unaltered(received: &[u8]) -> u32 {
    let number = received.first_chunk().expect("a number");
    let number = u32::from_be_bytes(*number);
    assert!(
        number < 1 << 16 && received == message(number),
        "{number} was altered"
    );
    number
}

/// Sends numbered messages until so many have come back, and expects them unaltered, in order and once. Some may be lost.
async fn messages(stream: &mut Stream, count: u32) {
    let (mut next, mut window, mut last, mut back) = (0, 0, None, 0);
    while back < count {
        // So many are under way.
        while next < window + 16 {
            let sent = stream.feed(message(next).into()).await;
            sent.expect("the stream is open");
            next += 1;
        }
        match timeout(Duration::from_secs(10), stream.recv()).await {
            Ok(received) => {
                let received = received.expect("the stream is open");
                let number = unaltered(&received);
                assert!(
                    Some(number) > last && number < next,
                    "{last:?} {number} {next}"
                );
                (window, last, back) = (number + 1, Some(number), back + 1);
            }
            Err(_) => window = next,
        }
    }
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn all_arrives_intact_each_way_at_once() {
    const SIZE: usize = 2 << 20;
    let far = Far::start().await;
    link(BAD).await;
    let door = far.door(HANG);
    let streams = Far::streams().map(async |(name, to)| {
        let start = Instant::now();
        let connection = dialed(&door, &to).await;
        // WebSocket ends both directions at once, and the echo waits for the end of ours.
        match to.starts_with("wss:") {
            true => drop(all_back(connection, SIZE).await),
            false => intact(connection, SIZE).await,
        }
        measured(&format!("2 MiB each way over {name}"), start.elapsed());
    });
    let rage = async {
        let start = Instant::now();
        let (_host, mut stream) = far.rage().await;
        let carried = timeout(HANG, messages(&mut stream, 64)).await;
        carried.expect("no hang");
        measured(
            "64 messages of 32 KiB each way over ragep2p",
            start.elapsed(),
        );
    };
    tokio::join!(join_all(streams), rage, hyperdht(&far, SIZE));
    mend().await;
}

#[cfg(feature = "hyperswarm")]
async fn hyperdht(far: &Far, size: usize) {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use tower_multiserver::{
        StackExt as _,
        hyperswarm::{HyperDht, HyperNode},
    };

    use crate::support::identity;

    let start = Instant::now();
    let node = HyperNode::builder(identity("near"))
        .bind(SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 0))
        .bootstrap([far.bootstrap()]);
    let stack = HyperDht::new(node.spawn().await.expect("a node")).dial_timeout(HANG);
    let to = format!(
        "hyperdht:{}",
        hex::encode(identity("far").public_key().as_bytes())
    );
    intact(stack.dial(to).await.expect("dialed"), size).await;
    measured("2 MiB each way over hyperdht", start.elapsed());
}

#[cfg(not(feature = "hyperswarm"))]
async fn hyperdht(_: &Far, _: usize) {}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_handshake_succeeds_or_its_time_is_over() {
    // Ours, and the server's.
    const TIME: Duration = Duration::from_secs(10);
    const THEIRS: Duration = Duration::from_secs(5);
    let far = Far::start().await;
    link(BAD).await;
    let door = far.door(TIME);
    let dials = Far::streams().flat_map(|stream| vec![stream; 5]);
    let dials = join_all(dials.map(async |(name, to)| {
        let start = Instant::now();
        let ended = door.dial(&*to).await.err();
        let elapsed = start.elapsed();
        // With what a busy machine takes.
        let in_time = elapsed < TIME + Duration::from_secs(10);
        assert!(in_time, "{name}: {elapsed:?} {ended:?}");
        if let Some(error) = &ended {
            let over = error.kind() == ErrorKind::Timeout || elapsed >= THEIRS;
            assert!(over, "{name}: {elapsed:?} {error:?}");
        }
        ended.is_none()
    }))
    .await;
    let succeeded = dials.iter().filter(|succeeded| **succeeded).count();
    println!(
        "\nmeasured faults\thandshakes of {}, each in 5 s\t{succeeded}",
        dials.len()
    );
    assert!(succeeded > 0);
    mend().await;
}

/// Sends and receives a little.
async fn greet(connection: &mut Connection<impl Io>) {
    connection.write_all(b"hello").await.expect("sent");
    connection.flush().await.expect("sent");
    let mut hello = [0; 5];
    let read = timeout(HANG, connection.read_exact(&mut hello)).await;
    read.expect("no hang").expect("an echo");
    assert_eq!(&hello, b"hello");
}

/// A connection over each stack, by its name, over which something has gone both ways.
async fn greeted(door: &MultiServer) -> Vec<(&'static str, Connection)> {
    let dials = Far::streams().map(async |(name, to)| {
        let mut connection = dialed(door, &to).await;
        greet(&mut connection).await;
        (name, connection)
    });
    join_all(dials).await
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn a_cut_is_noticed_after_90_seconds_of_silence() {
    let far = Far::start().await;
    link(BAD).await;
    let door = far.door(HANG);
    let connections = greeted(&door).await;
    link("loss 100%").await;
    let start = Instant::now();
    join_all(connections.into_iter().map(async |(name, mut connection)| {
        let read = timeout(HANG, connection.read_u8()).await.expect("no hang");
        let error = read.expect_err("cut");
        let elapsed = start.elapsed();
        assert_eq!(error.kind(), IoErrorKind::TimedOut, "{name}: {error}");
        assert!(
            (80..=110).contains(&elapsed.as_secs()),
            "{name}: {elapsed:?}"
        );
        measured(&format!("silence of {name}"), elapsed);
    }))
    .await;
    mend().await;
}

/// Changes a byte of each longer packet that comes, and its checksums with it, so that neither the card nor TCP can tell.
async fn forge() {
    let clsact = ["qdisc", "add", "dev", "near", "clsact"];
    run("tc", &clsact).await;
    let filter = "filter add dev near ingress protocol ip matchall \
        action pedit munge offset 200 u8 invert pipe action csum ip and tcp and udp";
    run("tc", &filter.split_whitespace().collect::<Vec<_>>()).await;
}

#[tokio::test]
#[ignore = "needs two hosts; `main` runs it there"]
async fn what_no_checksum_can_tell_is_an_error_and_never_delivered() {
    let far = Far::start().await;
    let door = far.door(HANG);
    let connections = greeted(&door).await;
    let (_host, mut stream) = far.rage().await;
    messages(&mut stream, 1).await;

    forge().await;
    join_all(connections.into_iter().map(async |(name, mut connection)| {
        let sent = [7; 64 << 10];
        connection.write_all(&sent).await.expect("sent");
        connection.flush().await.expect("sent");
        let mut back = Vec::new();
        let read = timeout(HANG, connection.read_to_end(&mut back)).await;
        let error = read.expect("no hang").expect_err("changed");
        assert!(
            back.iter().all(|byte| *byte == 7) && back.len() < sent.len(),
            "{name}: {error}"
        );
    }))
    .await;
    // What comes is what was sent before, or over a link that came after.
    stream.feed(message(1000).into()).await.expect("it is open");
    let until = Instant::now() + Duration::from_secs(5);
    while let Ok(received) = timeout_at(until.into(), stream.recv()).await {
        unaltered(&received.expect("it is open"));
    }
    run("tc", &["qdisc", "del", "dev", "near", "clsact"]).await;
    let heals = async {
        loop {
            stream.feed(message(2000).into()).await.expect("it is open");
            if let Ok(received) = timeout(Duration::from_secs(1), stream.recv()).await
                && unaltered(&received.expect("it is open")) == 2000
            {
                break;
            }
        }
    };
    timeout(HANG, heals).await.expect("it heals");
}
