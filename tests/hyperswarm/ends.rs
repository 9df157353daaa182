//! How connections end, and how fast they are.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::lab::{Lab, PATIENCE, pair};

#[tokio::test]
async fn one_direction_ends_and_the_other_goes_on() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (mut dialed, mut accepted) = pair(&lab, &mut server, 2).await;
    dialed.write_all(b"question").await.unwrap();
    dialed.shutdown().await.unwrap();
    let mut text = String::new();
    accepted.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    accepted.write_all(b"answer").await.unwrap();
    accepted.shutdown().await.unwrap();
    let mut text = String::new();
    dialed.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn a_drop_is_an_end_at_once_behind_what_was_written() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (mut dialed, mut accepted) = pair(&lab, &mut server, 2).await;
    dialed.write_all(b"last words").await.unwrap();
    drop(dialed);
    let mut text = String::new();
    // Silence would be an error in the end.
    let read = accepted.read_to_string(&mut text);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(text, "last words");
}

#[tokio::test]
async fn a_writer_to_a_peer_that_dropped_the_connection_is_told_of_it() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (dialed, mut accepted) = pair(&lab, &mut server, 2).await;
    drop(dialed);
    let writing = async {
        loop {
            if let Err(error) = accepted.write_all(&[0; 1024]).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let error = timeout(PATIENCE, writing).await.unwrap();
    // By silence it would find out too, later.
    assert_ne!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_peer_waits_while_nobody_reads_and_goes_on_then() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (mut dialed, mut accepted) = pair(&lab, &mut server, 2).await;
    let mut sent = 0;
    let flood = async {
        loop {
            dialed.write_all(&[7; 65536]).await.unwrap();
            sent += 65536;
        }
    };
    timeout(Duration::from_secs(3), flood).await.unwrap_err();
    assert!(sent < 4_000_000, "{sent}");
    let mut bytes = vec![0; sent];
    let read = accepted.read_exact(&mut bytes);
    timeout(PATIENCE, read).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_made_again_ten_times() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let stack = tower_multiserver::hyperswarm::HyperDht::new(lab.node(2).await);
    for round in 0..10u8 {
        let dial = tower_multiserver::StackExt::dial(&stack, server.node.section().to_string());
        let (dialed, accepted) = tokio::join!(dial, server.incoming.next());
        let mut accepted = accepted.unwrap().unwrap();
        dialed.unwrap().write_all(&[round]).await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), round);
        assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn twenty_megabytes_arrive_whole_each_way_at_once() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (dialed, accepted) = pair(&lab, &mut server, 2).await;
    let bytes: Vec<u8> = (0..20_000_000u32).map(|n| (n / 7) as u8).collect();
    let hash = Sha256::digest(&bytes);
    let began = Instant::now();
    let run = async {
        let ends = [dialed, accepted].map(|connection| {
            let bytes = bytes.clone();
            async move {
                let (mut read, mut write) = tokio::io::split(connection);
                let send = async {
                    write.write_all(&bytes).await.unwrap();
                    write.shutdown().await.unwrap();
                };
                let mut came = Vec::new();
                let receive = async { read.read_to_end(&mut came).await.unwrap() };
                tokio::join!(send, receive);
                assert_eq!(Sha256::digest(&came), hash);
            }
        });
        let [one, other] = ends;
        tokio::join!(one, other);
    };
    timeout(PATIENCE, run).await.unwrap();
    println!("{:.1} MB/s each way", 20.0 / began.elapsed().as_secs_f64());
}

#[tokio::test]
async fn a_node_that_is_dropped_behind_its_connections_frees_its_port() {
    let lab = Lab::new().await;
    let mut server = lab.server(1).await;
    let (dialed, accepted) = pair(&lab, &mut server, 2).await;
    let at = server.node.local_addr().await.unwrap();
    drop((dialed, accepted, server));
    let free = async {
        while std::net::UdpSocket::bind(at).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, free).await.unwrap();
}
