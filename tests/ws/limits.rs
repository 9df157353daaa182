//! What a hostile peer can hold, and for how long.

use std::{future::pending, sync::Arc, time::Duration};

use ::http::Response;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::{Notify, Semaphore},
    time::{Instant, sleep, timeout},
};
use tower::Layer as _;
use tower_multiserver::{
    Connection, ErrorKind, Role, Section, StackExt as _, transform_fn, ws::Ws,
};

use crate::lab::{address, ask, beside, closing, connect, handshake, listen, raw, rest};

const PLAIN: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_mute_client_and_a_slow_one_are_cut_off_after_5_seconds() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let start = Instant::now();
    let mute = async {
        let mut client = raw(&to).await;
        assert_eq!(rest(&mut client).await, b"");
        start.elapsed()
    };
    let slow = async {
        let (mut read, mut write) = raw(&to).await.into_split();
        let dribble = async {
            for byte in handshake("/", "").bytes() {
                let _ = write.write_all(&[byte]).await;
                sleep(Duration::from_millis(100)).await;
            }
            pending().await
        };
        let mut nothing = Vec::new();
        tokio::select! {
            () = dribble => {}
            _ = read.read_to_end(&mut nothing) => {}
        }
        start.elapsed()
    };
    let (mute, slow) = beside(&mut server, async { tokio::join!(mute, slow) }).await;
    for elapsed in [mute, slow] {
        let second = Duration::from_secs(1);
        assert!(elapsed >= 5 * second && elapsed < 6 * second, "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_for_the_request_and_for_the_layers_above_is_one() {
    let stall = transform_fn("stall", async |_: Connection, _: Role<Section>| {
        pending().await
    });
    let stack = stall.layer(Ws::new().fallback(axum::Router::new()));
    let mut server = stack
        .listen("ws://127.0.0.1:0~stall", closing())
        .await
        .expect("listening");
    let to = server.addresses()[0].1.sections()[0].to_string();
    for (again, patience) in [(false, 5), (true, 8)] {
        let start = Instant::now();
        let client = async {
            let mut client = raw(&to).await;
            if again {
                // An answered request before it: the patience begins with the second.
                assert_eq!(ask(&mut client, PLAIN).await.0, 404);
            }
            sleep(Duration::from_secs(3)).await;
            assert_eq!(ask(&mut client, handshake("/", "")).await.0, 101);
            rest(&mut client).await;
        };
        let (accepted, ()) = tokio::join!(server.next(), client);
        let error = accepted.expect("a server").expect_err("too late");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let elapsed = start.elapsed();
        let patience = Duration::from_secs(patience);
        assert!(elapsed >= patience, "{elapsed:?}");
        assert!(
            elapsed < patience + Duration::from_millis(500),
            "{elapsed:?}"
        );
    }
}

/// A connection from that address of this machine.
async fn raw_from(host: [u8; 4], to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((host, 0).into()).expect("bound");
    let at = to.trim_start_matches("ws://").parse().expect("an address");
    socket.connect(at).await.expect("connected")
}

#[tokio::test]
async fn when_the_server_is_full_the_oldest_quiet_connection_makes_room() {
    the_oldest_quiet_connection_makes_room_for_one_from([127, 0, 0, 1]).await;
}

#[cfg(target_os = "linux")] // Elsewhere this machine has one loopback address.
#[tokio::test]
async fn a_newcomer_of_another_host_pushes_out_nobody_who_is_busy() {
    the_oldest_quiet_connection_makes_room_for_one_from([127, 0, 0, 2]).await;
}

async fn the_oldest_quiet_connection_makes_room_for_one_from(host: [u8; 4]) {
    let begun = Arc::new(Notify::new());
    let gate = Arc::new(Semaphore::new(0));
    let busy = tower::service_fn({
        let (begun, gate) = (begun.clone(), gate.clone());
        move |_| {
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                begun.notify_one();
                let _permit = gate.acquire().await;
                Ok::<_, std::convert::Infallible>(Response::new(String::new()))
            }
        }
    });
    let ws = Ws::new().fallback(busy).max_connections(3);
    let mut server = listen(ws, "ws://127.0.0.1:0").await;
    let to = address(&server);
    let test = async {
        let mut working = raw(&to).await;
        working.write_all(PLAIN.as_bytes()).await.expect("sent");
        begun.notified().await;
        // Two quiet ones, and a newcomer that takes the place of the first.
        let mut first = raw(&to).await;
        let mut second = raw(&to).await;
        let mut third = raw_from(host, &to).await;
        assert_eq!(rest(&mut first).await, b"");
        let still_open = timeout(Duration::from_millis(20), second.read_u8()).await;
        still_open.expect_err("the second is younger");
        gate.close();
        assert_eq!(crate::lab::head(&mut working).await.0, 200);
        assert_eq!(ask(&mut third, PLAIN).await.0, 200);
    };
    beside(&mut server, test).await;
}

#[tokio::test]
async fn a_connection_that_ended_takes_no_place() {
    let mut server = listen(Ws::new().max_connections(2), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let test = async {
        let mut quiet = raw(&to).await;
        for _ in 0..5 {
            let mut ended = raw(&to).await;
            let close = PLAIN.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            assert_eq!(ask(&mut ended, close).await.0, 404);
            rest(&mut ended).await;
        }
        assert_eq!(ask(&mut quiet, PLAIN).await.0, 404);
    };
    beside(&mut server, test).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_crowd_of_one_host_pushes_out_its_own_first() {
    let mut server = listen(Ws::new().max_connections(2), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let test = async {
        let mut other = raw_from([127, 0, 0, 2], &to).await;
        let mut crowd = raw(&to).await;
        for _ in 0..10 {
            let next = raw(&to).await;
            assert_eq!(rest(&mut crowd).await, b"");
            crowd = next;
        }
        assert_eq!(ask(&mut other, PLAIN).await.0, 404);
    };
    beside(&mut server, test).await;
}

#[tokio::test]
async fn a_crowd_of_mute_clients_delays_nobody() {
    let mut server = listen(Ws::new().max_connections(50), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(raw(&to).await);
    }
    // The youngest of the crowd is there until its deadline.
    let mut last = crowd.pop().expect("a crowd");
    tokio::select! {
        biased;
        _ = connect(&mut server, &to) => {}
        _ = rest(&mut last) => panic!("it waited for the crowd's deadline"),
    }
}

#[tokio::test]
async fn websockets_take_no_place_among_the_http_connections() {
    let mut server = listen(Ws::new().max_connections(1), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let mut pairs = Vec::new();
    for _ in 0..10 {
        pairs.push(connect(&mut server, &to).await);
    }
    for (dialed, accepted) in &mut pairs {
        dialed.write_all(b"x").await.expect("open");
        assert_eq!(accepted.read_u8().await.expect("open"), b'x');
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_stops_our_writes() {
    let mut server = listen(Ws::new(), "ws://127.0.0.1:0").await;
    let to = address(&server);
    let (dialed, mut accepted) = connect(&mut server, &to).await;
    let mut written = 0;
    let flood = async {
        loop {
            written += accepted.write(&[7; 65536]).await.expect("open");
        }
    };
    // What the kernel takes is some MiB; without backpressure it would be all there is time for.
    let flooded: Result<(), _> = timeout(Duration::from_secs(1), flood).await;
    flooded.expect_err("stuck");
    assert!(written < 64 << 20, "{written} bytes");
    drop(dialed);
}
