//! How a connection ends.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    task::yield_now,
    time::{Instant, timeout},
};
use tokio_test::{assert_pending, assert_ready, task};

use super::{
    super::{Aborted, frame::Side},
    pair, raw, read_error, read_exactly,
};

#[tokio::test]
async fn the_end_of_the_transport_without_a_close_is_an_error_at_every_byte() {
    let bytes = b"\x82\x03abc\x89\x02hi\x02\x02de\x00\x7e\x00\x00\x80\x01f";
    for cut in 0..=bytes.len() {
        let (mut client, mut peer) = raw(Side::Client, 1000);
        peer.write_all(&bytes[..cut]).await.expect("room");
        peer.shutdown().await.expect("open");
        let mut read = Vec::new();
        let error = client.read_to_end(&mut read).await.expect_err("truncated");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(b"abcdef".starts_with(&read[..]));
        assert_eq!(
            read_error(&mut client).await.kind(),
            io::ErrorKind::UnexpectedEof
        );
        client
            .write_all(b"still")
            .await
            .expect("our direction is open");
    }
}

#[tokio::test]
async fn after_a_shutdown_the_close_waits_for_the_peers_and_reading_goes_on() {
    let (mut server, mut peer) = raw(Side::Server, 1000);
    server.write_all(b"a").await.expect("room");
    server.shutdown().await.expect("room");
    server.shutdown().await.expect("once more changes nothing");
    let error = server
        .write_all(b"x")
        .await
        .expect_err("our direction is over");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(read_exactly(&mut peer).await, *b"\x82\x01a");
    let mut byte = [0];
    assert_pending!(task::spawn(peer.read(&mut byte)).poll());

    peer.write_all(b"\x82\x81\0\0\0\0b\x88\x82\0\0\0\0\x0f\xa0")
        .await
        .expect("room");
    let mut read = Vec::new();
    server.read_to_end(&mut read).await.expect("a clean end");
    assert_eq!(read, b"b");
    // The peer's code again, and then the end of the transport, since this is the server.
    let mut end = Vec::new();
    peer.read_to_end(&mut end).await.expect("the end");
    assert_eq!(end, b"\x88\x02\x0f\xa0");
    assert_eq!(server.read(&mut byte).await.expect("still the end"), 0);
}

#[tokio::test]
async fn what_is_written_after_the_peers_close_goes_out_before_ours() {
    let (mut server, mut peer) = raw(Side::Server, 16);
    let echo = async {
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.expect("a clean end");
        assert_eq!(read, b"ab");
        for _ in 0..100 {
            server.write_all(&read).await.expect("the peer still reads");
        }
        server.shutdown().await.expect("the peer still reads");
    };
    let peer = async {
        // Data and a close without a code in one go, as the JavaScript implementation ends.
        peer.write_all(b"\x82\x82\0\0\0\0ab\x88\x80\0\0\0\0")
            .await
            .expect("room");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.expect("the end");
        all
    };
    let ((), all) = tokio::join!(echo, peer);
    let expected = [b"\x82\x02ab".repeat(100), b"\x88\x00".to_vec()].concat();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn what_comes_behind_the_peers_close_is_not_read() {
    for behind in [&b"\x82\x81\0\0\0\0b"[..], b"\x81\x81\0\0\0\0b", b"\xff\xff"] {
        let (mut server, mut peer) = raw(Side::Server, 1000);
        let close = b"\x82\x81\0\0\0\0a\x88\x80\0\0\0\0";
        peer.write_all(&[close, behind].concat())
            .await
            .expect("room");
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.expect("a clean end");
        assert_eq!(read, b"a");
        server.shutdown().await.expect("open");
        let mut end = Vec::new();
        peer.read_to_end(&mut end).await.expect("the end");
        assert_eq!(end, b"\x88\x00", "{behind:02x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closed_and_does_not_read_is_given_up_after_30_seconds() {
    let (mut server, mut peer) = raw(Side::Server, 16);
    peer.write_all(b"\x88\x80\0\0\0\0").await.expect("room");
    assert_eq!(server.read(&mut [0]).await.expect("a clean end"), 0);
    let start = Instant::now();
    let error = server.write_all(&[7; 1 << 20]).await.expect_err("given up");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    let error = server.shutdown().await.expect_err("broken");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// The writer waits for room in the transport, which never comes, when the reader learns of the end.
#[tokio::test(start_paused = true)]
async fn a_writer_that_waits_already_is_given_up_after_30_seconds_too() {
    use io::ErrorKind::{BrokenPipe, TimedOut};
    let close_and_text = [b"\x88\x80\0\0\0\0", b"\x81\x80\0\0\0\0"];
    for (frame, kinds) in close_and_text
        .into_iter()
        .zip([[TimedOut, BrokenPipe], [BrokenPipe, TimedOut]])
    {
        let (server, mut peer) = raw(Side::Server, 16);
        let (mut read, mut write) = split(server);
        let writer = tokio::spawn(async move {
            let written = write.write_all(&[7; 1 << 20]).await;
            [written.unwrap_err(), write.flush().await.unwrap_err()]
        });
        yield_now().await;
        let start = Instant::now();
        peer.write_all(frame).await.expect("room");
        // A clean end, or what is wrong with a text.
        let _ = read.read(&mut [0]).await;
        let errors = timeout(Duration::from_secs(60), writer).await;
        let errors = errors.expect("no hang").expect("no panic");
        assert_eq!(errors.map(|error| error.kind()), kinds);
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_close_that_says_an_error_is_no_clean_end() {
    let (mut client, mut peer) = raw(Side::Client, 100);
    peer.write_all(b"\x82\x01a\x88\x02\x03\xf1")
        .await
        .expect("room");
    let mut read = Vec::new();
    let error = client.read_to_end(&mut read).await.expect_err("1009");
    assert_eq!(read, b"a");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Aborted>());
    assert_eq!(inner.map(|aborted| aborted.code()), Some(1009));
    let answer: [u8; 8] = read_exactly(&mut peer).await;
    assert_eq!(answer[..2], *b"\x88\x82");
}

#[tokio::test]
async fn a_drop_after_a_shutdown_brings_the_close_to_a_peer_that_is_still_writing() {
    let (mut server, peer) = raw(Side::Server, 16);
    server.shutdown().await.expect("room");
    drop(server);
    let (mut read, mut write) = split(peer);
    let writing = async {
        write
            .write_all(b"\x82\xfe\x03\xe8\0\0\0\0")
            .await
            .expect("a reader");
        write.write_all(&[7; 1000]).await.expect("a reader");
        write
            .write_all(b"\x88\x80\0\0\0\0")
            .await
            .expect("a reader");
    };
    let mut close = Vec::new();
    let (_, read) = tokio::join!(writing, read.read_to_end(&mut close));
    read.expect("the end");
    assert_eq!(close, b"\x88\x02\x03\xe8");
}

#[tokio::test(start_paused = true)]
async fn a_drop_after_a_shutdown_waits_a_second_for_a_mute_peer_and_no_longer() {
    let (mut client, mut peer) = raw(Side::Client, 100);
    client.shutdown().await.expect("room");
    let start = Instant::now();
    drop(client);
    let mut close = Vec::new();
    peer.read_to_end(&mut close).await.expect("the end");
    assert_eq!((start.elapsed(), close.len()), (Duration::from_secs(1), 8));
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_the_end_of_the_transport_to_the_server_for_a_second() {
    for server_ends in [true, false] {
        let (mut client, mut peer) = raw(Side::Client, 100);
        client.shutdown().await.expect("room");
        let start = Instant::now();
        drop(client);
        assert_eq!(read_exactly::<8>(&mut peer).await[..2], *b"\x88\x82");
        peer.write_all(b"\x88\x02\x03\xe8").await.expect("open");
        let mut nothing = Vec::new();
        if server_ends {
            peer.shutdown().await.expect("open");
        }
        peer.read_to_end(&mut nothing).await.expect("the end");
        let second = Duration::from_secs(1);
        let expected = if server_ends { Duration::ZERO } else { second };
        assert_eq!((nothing.len(), start.elapsed()), (0, expected));
    }
}

#[tokio::test]
async fn a_drop_without_a_shutdown_ends_the_transport_at_once() {
    let (mut client, mut server) = pair(1000);
    client.write_all(b"a").await.expect("room");
    drop(client);
    let mut read = Vec::new();
    let error = server.read_to_end(&mut read).await.expect_err("truncated");
    assert_eq!(
        (&read[..], error.kind()),
        (&b"a"[..], io::ErrorKind::UnexpectedEof)
    );
}

#[tokio::test]
async fn two_of_us_end_cleanly_both_ways_over_a_tiny_pipe() {
    let (mut client, mut server) = pair(3);
    let one = async {
        client.write_all(b"question").await.expect("a reader");
        client.shutdown().await.expect("a reader");
        let mut answer = Vec::new();
        // The server ends first on the wire: nothing but its drop brings its close frame.
        client.read_to_end(&mut answer).await.expect("a clean end");
        answer
    };
    let other = async {
        let question: [u8; 8] = read_exactly(&mut server).await;
        server.write_all(&question).await.expect("a reader");
        server.shutdown().await.expect("a reader");
        drop(server);
    };
    let (answer, ()) = tokio::join!(one, other);
    assert_eq!(answer, b"question");
}

#[test]
fn a_stream_can_be_made_and_dropped_outside_of_a_runtime() {
    let (mut server, _peer) = raw(Side::Server, 100);
    let mut shutdown = task::spawn(server.shutdown());
    assert_ready!(shutdown.poll()).expect("room");
}
