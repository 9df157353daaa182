//! Before anything is encrypted: knocks, and what is none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, duplex},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tower_multiserver::{
    Identity, PeerId,
    knock::message::{self, LENGTH, SIGNED},
    ragep2p::Version,
};

use super::{raw, support::*};
use crate::lab::{VERSIONS, id, identity};

/// A knock of this key at that door, though nobody knocks so who keeps to the protocol.
fn signed(dialer: &Identity, acceptor: PeerId) -> Vec<u8> {
    let text = [&SIGNED[..], acceptor.public_key().as_bytes()].concat();
    let key = dialer.public_key();
    [
        &[message::VERSION],
        &key.as_bytes()[..],
        &dialer.sign(&text),
    ]
    .concat()
}

fn flipped(bit: usize) -> Vec<u8> {
    let mut knock = knock().to_vec();
    knock[bit / 8] ^= 1 << (bit % 8);
    knock
}

/// Whether a connection is there on which nothing was said.
async fn is_mute(socket: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = timeout(Duration::from_millis(1), socket.read(&mut byte));
    read.await.is_err()
}

#[tokio::test]
async fn who_does_not_knock_right_hears_nothing_and_is_closed_at_once() {
    for version in VERSIONS {
        let mut target = Target::new(version).await;
        for (what, said) in [
            ("noise", noise()),
            ("another version", flipped(0)),
            ("a bit of the key", flipped(8)),
            ("a bit of the signature", flipped(8 * LENGTH - 1)),
            ("for another door", signed(&identity(MALLORY), id(ALICE))),
            ("our own key", signed(&identity(BOB), id(BOB))),
            ("unknown", signed(&stranger(), id(BOB))),
            ("TLS at once", vec![0x16; 300]),
            ("HTTP", vec![b'G'; 300]),
        ] {
            // Mute, so that it is the deadline which closes it, which is a little before the other's.
            let mut control = target.connect().await;
            let mut socket = target.connect().await;
            socket.write_all(&said).await.unwrap();
            assert_eq!(heard(&mut socket).await, b"", "{what}");
            assert!(is_mute(&mut control).await, "{what} was kept until then");
        }
        // Too short, and over.
        for said in [&knock()[..0], &knock()[..96]] {
            let mut control = target.connect().await;
            let mut socket = target.connect().await;
            socket.write_all(said).await.unwrap();
            socket.shutdown().await.unwrap();
            assert_eq!(heard(&mut socket).await, b"", "{}", said.len());
            assert!(is_mute(&mut control).await, "{} were kept", said.len());
        }
        target.good.round_trip().await;
    }
}

/// As long as a knock, and of its version.
fn noise() -> Vec<u8> {
    (0..LENGTH).map(|at| (at * 167 + 2) as u8).collect()
}

/// A stream to a peer is what makes a knock good: it is silence before it is opened and after it is closed.
#[tokio::test]
async fn a_peer_without_a_stream_is_a_stranger() {
    let target = Target::new(Version::V1).await;
    let knock = signed(&stranger(), id(BOB));
    let greeting = [&knock[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
    for is_open in [false, true, false] {
        let stream = is_open.then(|| {
            let peer = stranger().public_key().into();
            target.host.stream(peer, "test").open().unwrap()
        });
        let mut socket = target.connect().await;
        socket.write_all(&greeting).await.unwrap();
        // What is no TLS is answered by an alert.
        assert_eq!(!heard(&mut socket).await.is_empty(), is_open);
        drop(stream);
    }
}

#[tokio::test]
async fn a_knock_may_come_in_pieces_and_with_the_hello() {
    let mut target = Target::new(Version::V1).await;
    let config = || raw::client(Some(raw::honest(&identity(MALLORY))));
    let mut socket = target.connect().await;
    socket.write_all(&knock()[..40]).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    socket.write_all(&knock()[40..]).await.unwrap();
    let mut attacker = Attacker(connect(config(), socket).await.unwrap());
    assert!(attacker.write(data("test", "in pieces")).await);
    target.hears("in pieces").await;

    // In one segment.
    let (near, mut far) = duplex(1 << 16);
    let mut socket = target.connect().await;
    tokio::spawn(async move {
        let mut greeting = knock().to_vec();
        far.read_buf(&mut greeting).await.unwrap();
        socket.write_all(&greeting).await.unwrap();
        copy_bidirectional(&mut far, &mut socket).await.unwrap();
    });
    let connector = TlsConnector::from(Arc::new(config()));
    let mut tls = connector.connect(raw::no_name(), near).await.unwrap();
    tls.write_all(&data("test", "at once")).await.unwrap();
    tls.flush().await.unwrap();
    target.hears("at once").await;
}

/// Real time, since a paused clock would run ahead of the sockets: all at once, for five seconds.
#[tokio::test]
async fn the_mute_and_the_slow_are_closed_at_the_deadline_without_a_byte() {
    let mut target = Target::new(Version::V1).await;
    let start = Instant::now();
    let mute = async |said: &[u8]| {
        let mut socket = target.connect().await;
        socket.write_all(said).await.unwrap();
        assert_eq!(heard(&mut socket).await, b"");
        start.elapsed()
    };
    // Each byte in time for a deadline of its own.
    let slow = async |at_once: &[u8], slowly: &[u8]| {
        let mut socket = target.connect().await;
        socket.write_all(at_once).await.unwrap();
        for byte in slowly {
            sleep(Duration::from_millis(200)).await;
            if !is_mute(&mut socket).await || socket.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        assert_eq!(heard(&mut socket).await, b"");
        start.elapsed()
    };
    let knock = knock();
    let hello = hello();
    let half = [&knock[..], &hello[..50]].concat();
    let (nothing, most, knocked, slow_knock, slow_hello, half_hello) = tokio::join!(
        mute(b""),
        mute(&knock[..96]),
        mute(&knock),
        slow(b"", &knock),
        slow(&knock, &hello),
        mute(&half),
    );
    for elapsed in [nothing, most, knocked, slow_knock, slow_hello, half_hello] {
        assert!(elapsed > Duration::from_millis(4500), "{elapsed:?}");
        // The slow would take twenty seconds and more.
        assert!(elapsed < 2 * nothing, "{elapsed:?} of {nothing:?}");
    }
    target.good.round_trip().await;
}

/// The first message of a TLS client.
fn hello() -> Vec<u8> {
    let config = raw::client(Some(raw::honest(&identity(MALLORY))));
    let mut client = rustls::ClientConnection::new(config.into(), raw::no_name()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
