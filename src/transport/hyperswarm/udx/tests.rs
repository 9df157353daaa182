//! Streams over real sockets, encrypted as they are in use, with a bad network between them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
};

use fastrand::Rng;
use futures_util::future::{Either, join_all, select};
use peeroxide_dht::secret_stream::{SecretStream, SecretStreamError};
use tokio::{io::AsyncWriteExt as _, net::UdpSocket, task::JoinSet, time::sleep};

use super::{
    super::{
        io::HyperIo,
        pump::Pump,
        raw::{Moved, Raw},
    },
    road::Road,
    *,
};

const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// As many messages are said each way.
const MESSAGES: usize = 100;

fn message(number: usize) -> Vec<u8> {
    (0..1000).map(|at| (3 * number + at) as u8).collect()
}

/// Hands on what comes to `from`, as the road lets it. Behind so many packets with content each of them is changed.
async fn relay(
    [from, by]: [Arc<UdpSocket>; 2],
    to: SocketAddr,
    road: Road,
    intact: usize,
    seed: u64,
) {
    let mut rng = Rng::with_seed(seed);
    let mut under_way = JoinSet::new();
    let mut buffer = vec![0; 65536];
    let mut count = 0;
    loop {
        let (length, _) = from.recv_from(&mut buffer).await.unwrap();
        let packet = &mut buffer[..length];
        count += usize::from(length > 500);
        if length > 500 && count > intact {
            packet[length - 1] ^= 1;
        }
        for (time, packet) in road.pass(&mut rng, packet) {
            let by = by.clone();
            under_way.spawn(async move {
                sleep(time).await;
                by.send_to(&packet, to).await.unwrap();
            });
        }
        while under_way.try_join_next().is_some() {}
    }
}

/// The two ends of a connection, and what works for it until it is dropped.
async fn connected(
    udx: &UdxRuntime,
    road: Road,
    intact: usize,
) -> ([(SecretStream<Raw>, Arc<Moved>); 2], JoinSet<()>) {
    let mut work = JoinSet::new();
    let mut nodes = Vec::new();
    for id in [1, 2] {
        let socket = udx.create_socket().await.unwrap();
        socket.bind(HERE.into()).await.unwrap();
        let port = Arc::new(Port::open(udx).await.unwrap());
        work.spawn(port.clone().run());
        let outer = Arc::new(udx.create_stream(id).await.unwrap());
        let (stream, run) = Stream::over(&port, udx, outer.clone()).await.unwrap();
        work.spawn(run);
        let front = Arc::new(UdpSocket::bind(HERE).await.unwrap());
        nodes.push((socket, outer, stream, front));
    }
    for (at, other) in [(0, 1), (1, 0)] {
        let (socket, outer, _, front) = &nodes[at];
        let (their_socket, _, _, their_front) = &nodes[other];
        // To each of them the other one is where its packets are taken.
        let to = front.local_addr().unwrap();
        outer.connect(socket, 1 + other as u32, to).await.unwrap();
        let ways = [front.clone(), their_front.clone()];
        let to = their_socket.local_addr().await.unwrap();
        work.spawn(relay(ways, to, road, intact, at as u64));
    }
    let mut raws = nodes.into_iter().map(|(socket, _, stream, _)| {
        work.spawn(async move {
            let _open = socket;
            std::future::pending().await
        });
        Raw::new(stream)
    });
    let (keys, others) = ([1; 32], [2; 32]);
    let mut open = |is_first, tx, rx| {
        let (raw, moved) = raws.next().unwrap();
        let stream = SecretStream::from_session(is_first, raw, tx, rx, [3; 64], [4; 32]);
        async { Ok::<_, SecretStreamError>((stream.await?, moved)) }
    };
    let (one, other) = (open(true, keys, others), open(false, others, keys));
    drop(raws);
    let (one, other) = tokio::try_join!(one, other).unwrap();
    ([one, other], work)
}

/// Says all messages and ends; what comes of the peer's, each of them whole and in its place, and how that ends.
async fn talk(end: SecretStream<Raw>) -> (usize, Result<(), SecretStreamError>) {
    let (mut from, mut to) = end.into_split();
    let say = pin!(async {
        for number in 0..MESSAGES {
            to.write(&message(number)).await?;
        }
        to.shutdown().await
    });
    let hear = pin!(async {
        let mut count = 0;
        loop {
            match from.read().await {
                Ok(Some(heard)) => assert!(heard == message(count), "message {count}"),
                Ok(None) => return (count, Ok(())),
                Err(error) => return (count, Err(error)),
            }
            count += 1;
        }
    });
    match select(say, hear).await {
        Either::Left((_, hear)) => hear.await,
        Either::Right((heard, say)) => {
            if heard.1.is_ok() {
                say.await.unwrap();
            }
            heard
        }
    }
}

#[tokio::test]
async fn what_is_delayed_doubled_swapped_and_lost_arrives_whole_each_way_at_once() {
    let udx = UdxRuntime::new().unwrap();
    let run = async {
        let ([one, other], _work) = connected(&udx, Road::BAD, usize::MAX).await;
        tokio::join!(talk(one.0), talk(other.0))
    };
    let (one, other) = timeout(PATIENCE, run).await.unwrap();
    for (count, end) in [one, other] {
        end.unwrap();
        assert_eq!(count, MESSAGES);
    }
}

/// By hand, since a runtime whose threads wait for each other never ends.
#[test]
fn packets_that_come_and_go_on_many_threads_at_once_wait_for_no_others() {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let runtime = threads.worker_threads(8).enable_all().build().unwrap();
    let talks = async {
        let udx = UdxRuntime::new().unwrap();
        for _ in 0..20 {
            let ([one, other], _work) = connected(&udx, Road::GOOD, usize::MAX).await;
            let talks = [one, other].map(|(end, _)| tokio::spawn(talk(end)));
            for heard in join_all(talks).await {
                assert_eq!(heard.unwrap().0, MESSAGES);
            }
        }
    };
    let done = runtime.block_on(async { timeout(PATIENCE, talks).await });
    runtime.shutdown_background();
    done.unwrap();
}

#[tokio::test]
async fn a_peer_that_only_acknowledges_is_not_silent() {
    let far = Road {
        delay: 300,
        ..Road::GOOD
    };
    let udx = UdxRuntime::new().unwrap();
    let ([(stream, moved), (other, _)], _work) = connected(&udx, far, usize::MAX).await;
    let (mut io, shared) = HyperIo::new();
    // Longer than the way there and back, and shorter than all takes with the window that there is at first.
    let idle = Duration::from_secs(2);
    let pump = Pump {
        shared,
        moved,
        idle,
    };
    let say = async {
        io.write_all(&[7; 256 * 1024]).await.unwrap();
        let began = Instant::now();
        io.shutdown().await.unwrap();
        assert!(began.elapsed() > idle);
        drop(io);
    };
    let hear = async {
        let (mut from, mut to) = other.into_split();
        while from.read().await.unwrap().is_some() {}
        to.shutdown().await.unwrap();
    };
    let all = async { tokio::join!(pump.run(stream), say, hear) };
    timeout(PATIENCE, all).await.unwrap();
}

#[tokio::test]
async fn a_changed_packet_is_an_error_behind_what_came_before() {
    let udx = UdxRuntime::new().unwrap();
    for intact in [0, 50] {
        let run = async {
            let ([one, other], _work) = connected(&udx, Road::GOOD, intact).await;
            tokio::join!(talk(one.0), talk(other.0))
        };
        let (one, other) = timeout(PATIENCE, run).await.unwrap();
        for (count, end) in [one, other] {
            assert!(end.is_err());
            // A packet holds a message and the begin of the next.
            assert!(count <= 2 * intact + 1, "{count} of {intact}");
        }
    }
}
