//! The stream over a pipe, with a peer that speaks in raw bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split},
    time::{Instant, timeout},
};
use tokio_test::{assert_pending, assert_ready, task};

use super::{Aborted, Violation, WsIo, frame::Side};

type Ws = WsIo<DuplexStream>;

/// A stream of ours, and the raw bytes of the other end; the pipe holds `size` bytes.
fn raw(side: Side, size: usize) -> (Ws, DuplexStream) {
    let (ours, theirs) = duplex(size);
    (WsIo::new(ours, side, b""), theirs)
}

fn pair(size: usize) -> (Ws, Ws) {
    let (client, server) = duplex(size);
    (
        WsIo::new(client, Side::Client, b""),
        WsIo::new(server, Side::Server, b""),
    )
}

async fn read_exactly<const N: usize>(io: &mut (impl tokio::io::AsyncRead + Unpin)) -> [u8; N] {
    let mut bytes = [0; N];
    io.read_exact(&mut bytes).await.expect("enough bytes");
    bytes
}

async fn read_error(ws: &mut Ws) -> io::Error {
    ws.read_to_end(&mut Vec::new()).await.expect_err("an error")
}

fn violation(error: &io::Error) -> Option<Violation> {
    error.get_ref()?.downcast_ref().copied()
}

/// Random-looking bytes that tell when some are lost or doubled.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[tokio::test]
async fn bytes_arrive_whatever_the_sizes_of_writes_reads_and_pipe() {
    let sent = pattern(300_000);
    for (pipe, write, read) in [
        (1, 50, 1),
        (7, 100_000, 3),
        (64, 1, 4096),
        (200_000, 70_000, 9),
    ] {
        let sent = &sent[..sent.len().min(pipe * 2000)];
        for swapped in [false, true] {
            let (client, server) = pair(pipe);
            let (mut from, mut to) = if swapped {
                (server, client)
            } else {
                (client, server)
            };
            let send = async {
                for chunk in sent.chunks(write) {
                    from.write_all(chunk).await.expect("a reader");
                }
                from.flush().await.expect("a reader");
            };
            let receive = async {
                let mut received = Vec::new();
                let mut some = vec![0; read];
                while received.len() < sent.len() {
                    let len = to.read(&mut some).await.expect("a writer");
                    received.extend_from_slice(&some[..len]);
                }
                assert!(received == sent, "pipe {pipe}, write {write}, read {read}");
            };
            tokio::join!(send, receive);
        }
    }
}

#[tokio::test]
async fn a_write_is_one_binary_message_in_one_piece_masked_by_the_client_alone() {
    let (mut server, mut peer) = raw(Side::Server, 100);
    let parts = [
        io::IoSlice::new(b"he"),
        io::IoSlice::new(b""),
        io::IoSlice::new(b"llo"),
    ];
    assert!(tokio::io::AsyncWrite::is_write_vectored(&server));
    assert_eq!(server.write_vectored(&parts).await.expect("room"), 5);
    let mut bytes = [0; 100];
    let len = peer
        .read(&mut bytes)
        .await
        .expect("a message, without a flush");
    assert_eq!(bytes[..len], *b"\x82\x05hello");

    let (mut client, mut peer) = raw(Side::Client, 100);
    client.write_all(b"hello").await.expect("room");
    client.write_all(b"hello").await.expect("room");
    let first: [u8; 11] = read_exactly(&mut peer).await;
    let second: [u8; 11] = read_exactly(&mut peer).await;
    assert_eq!(first[..2], *b"\x82\x85");
    let plain: Vec<_> = (0..5).map(|n| first[6 + n] ^ first[2 + n % 4]).collect();
    assert_eq!(plain, b"hello");
    assert_ne!(first[2..6], second[2..6], "a fresh key");
}

#[tokio::test]
async fn a_long_write_is_cut_into_messages_of_64_kib() {
    let (mut server, mut peer) = raw(Side::Server, 1 << 20);
    let len = server.write(&[7; 100_000]).await.expect("room");
    assert_eq!(len, 64 * 1024);
    let header: [u8; 10] = read_exactly(&mut peer).await;
    assert_eq!(header, *b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
}

#[tokio::test]
async fn one_huge_message_streams_through_a_bounded_buffer() {
    let (mut client, mut peer) = raw(Side::Client, 256 * 1024);
    let payload = pattern(8 << 20);
    let send = async {
        // Declares 2^40 bytes, and begins with 8 MiB.
        peer.write_all(b"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00")
            .await
            .expect("a reader");
        peer.write_all(&payload).await.expect("a reader");
    };
    let receive = async {
        let mut at = 0;
        let mut some = vec![0; 10_000];
        // Tiny reads, that go through the buffer, and ones that go past it.
        for size in [1, 34, 4095, 10_000].into_iter().cycle() {
            let len = client.read(&mut some[..size]).await.expect("payload");
            assert!(some[..len] == payload[at..at + len]);
            at += len;
            assert!(
                client.stream().buffered() <= 3 * 64 * 1024,
                "{}",
                client.stream().buffered()
            );
            if at == payload.len() {
                break;
            }
        }
    };
    tokio::join!(send, receive);
    let mut client = task::spawn(client);
    let mut byte = [0];
    let mut buf = tokio::io::ReadBuf::new(&mut byte);
    assert_pending!(client.enter(|cx, mut ws| Pin::new(&mut *ws).stream().poll_read(cx, &mut buf)));
    assert_eq!(
        client.stream().buffered(),
        0,
        "an idle connection holds no buffer"
    );
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_stops_the_writer() {
    let (mut server, peer) = raw(Side::Server, 1000);
    let mut accepted = 0;
    let stuck = async {
        loop {
            accepted += server.write(&[7; 100_000]).await.expect("an open pipe");
        }
    };
    let stuck: Result<(), _> = timeout(Duration::from_millis(20), stuck).await;
    stuck.expect_err("backpressure");
    assert_eq!(accepted, 64 * 1024, "one message and no more");
    assert!(server.stream().buffered() <= 2 * 64 * 1024);
    drop(peer);
    server.write_all(b"x").await.expect_err("nobody");
}

#[tokio::test]
async fn a_split_connection_wakes_its_writer_though_its_reader_answers_pings() {
    let (server, mut peer) = raw(Side::Server, 64);
    let (mut read, mut write) = split(server);
    let mut writer = task::spawn(async {
        write.write_all(&[7; 1000]).await?;
        write.flush().await
    });
    assert_pending!(writer.poll());
    peer.write_all(b"\x89\x80\0\0\0\0\x82\x81\0\0\0\0x")
        .await
        .expect("room");
    let mut byte = [0];
    let mut reader = task::spawn(read.read(&mut byte));
    assert_ready!(reader.poll()).expect("the byte after the ping, without waiting for the pong");

    let mut all = Vec::new();
    let mut written = false;
    while all.len() < 1006 {
        let mut some = [0; 64];
        let len = peer.read(&mut some).await.expect("a writer");
        all.extend_from_slice(&some[..len]);
        if !written {
            assert!(writer.is_woken(), "after {} bytes", all.len());
            written = writer.poll().is_ready();
        }
    }
    assert!(written);
    assert_eq!(all[..4], *b"\x82\x7e\x03\xe8");
    assert_eq!(all[1004..], *b"\x8a\x00");
}

#[tokio::test]
async fn a_ping_is_answered_by_whoever_reads_and_a_pong_is_ignored() {
    let (mut client, mut peer) = raw(Side::Client, 1000);
    peer.write_all(b"\x8a\x03abc\x89\x02hi\x82\x01x")
        .await
        .expect("room");
    assert_eq!(read_exactly(&mut client).await, *b"x");
    let pong: [u8; 8] = read_exactly(&mut peer).await;
    assert_eq!(pong[..2], *b"\x8a\x82");
    assert_eq!([pong[6] ^ pong[2], pong[7] ^ pong[3]], *b"hi");
}

#[tokio::test]
async fn of_many_pings_the_latest_is_answered_once_there_is_room() {
    let (mut client, mut peer) = raw(Side::Client, 4000);
    client
        .write_all(&[7; 4000])
        .await
        .expect("one message of room");
    for n in 0..200 {
        peer.write_all(&[0x89, 1, n]).await.expect("room");
    }
    peer.write_all(b"\x82\x01x").await.expect("room");
    assert_eq!(read_exactly(&mut client).await, *b"x");
    assert!(
        client.stream().buffered() < 1000,
        "{}",
        client.stream().buffered()
    );
    let _message: [u8; 4008] = {
        let drained = async {
            client.flush().await.expect("a reader");
        };
        tokio::join!(read_exactly(&mut peer), drained).0
    };
    let pong: [u8; 7] = read_exactly(&mut peer).await;
    assert_eq!(pong[6] ^ pong[2], 199);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_without_payload_is_closed_with_1008() {
    for frame in [&b"\x89\x00"[..], b"\x8a\x00", b"\x82\x00", b"\x02\x00"] {
        let (mut client, mut peer) = raw(Side::Client, 1000);
        let flood = async {
            let mut frame = frame.to_vec();
            loop {
                if peer.write_all(&frame).await.is_err() {
                    break;
                }
                if frame[0] & 0x8f == 0x02 && frame[0] < 0x80 {
                    frame[0] = 0; // The message goes on.
                }
            }
        };
        let error = tokio::select! {
            () = flood => panic!("cut off"),
            error = read_error(&mut client) => error,
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(violation(&error), Some(Violation::Flood));
        assert!(client.stream().buffered() < 4096);
    }
}

#[tokio::test]
async fn useless_frames_do_not_starve_other_tasks() {
    let (mut client, mut peer) = raw(Side::Client, 100_000);
    peer.write_all(&[0x8a, 0].repeat(2000)).await.expect("room");
    peer.write_all(b"\x82\x01x").await.expect("room");
    let turns = Arc::new(AtomicUsize::new(0));
    let other = tokio::spawn({
        let turns = turns.clone();
        async move {
            loop {
                turns.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(read_exactly(&mut client).await, *b"x");
    other.abort();
    let turns = turns.load(Relaxed);
    assert!(turns >= 10, "{turns} turns in the time of 2000 frames");
}

#[tokio::test]
async fn a_violation_is_an_error_after_the_data_before_it_and_closes_with_its_code() {
    for (bytes, expected) in [
        (&b"\x82\x01a\x81\x01b"[..], Violation::Text),
        (b"\x82\x01a\x82\x81\0\0\0\0b", Violation::Masking),
        (b"\x82\x01a\xc2\x01b", Violation::Reserved),
        (b"\x82\x01a\x80\x01b", Violation::Fragments),
        (b"\x82\x01a\x88\x03\x03\xe8\xff", Violation::CloseReason),
        (b"\x82\x01a\x88\x01\x03", Violation::CloseCode),
    ] {
        let (mut client, mut peer) = raw(Side::Client, 1000);
        peer.write_all(bytes).await.expect("room");
        assert_eq!(read_exactly(&mut client).await, *b"a");
        for _ in 0..2 {
            let error = read_error(&mut client).await;
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(violation(&error), Some(expected));
        }
        let error = client.write_all(b"x").await.expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        drop(client);
        let mut close = Vec::new();
        peer.shutdown().await.expect("open");
        peer.read_to_end(&mut close).await.expect("the end");
        assert_eq!(close[..2], *b"\x88\x82");
        let code = [close[6] ^ close[2], close[7] ^ close[3]];
        assert_eq!(u16::from_be_bytes(code), expected.code());
        assert_eq!(close.len(), 8, "and nothing more");
    }
}

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

#[tokio::test]
async fn bytes_behind_the_handshake_are_the_first_to_be_read() {
    let (ours, mut peer) = duplex(100);
    let mut client = WsIo::new(ours, Side::Client, b"\x82\x03a");
    peer.write_all(b"bc").await.expect("room");
    assert_eq!(read_exactly(&mut client).await, *b"abc");
}

/// Another implementation, of the same frames.
#[tokio::test]
async fn tungstenite_reads_what_we_write_and_we_read_what_it_writes() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::protocol::{Message, Role},
    };

    let sent = pattern(400_000);
    for (side, role) in [(Side::Client, Role::Server), (Side::Server, Role::Client)] {
        let (ours, theirs) = duplex(5000);
        let (mut read, mut write) = split(WsIo::new(ours, side, b""));
        let mut peer = WebSocketStream::from_raw_socket(theirs, role, None).await;
        let we_write = async {
            for chunk in sent.chunks(70_000) {
                write.write_all(chunk).await.expect("a reader");
            }
            write.shutdown().await.expect("a reader");
        };
        let we_read = async {
            let mut received = Vec::new();
            read.read_to_end(&mut received).await.expect("a clean end");
            assert!(received == sent);
        };
        let they = async {
            let mut received = Vec::new();
            while received.len() < sent.len() {
                let message = peer.next().await.expect("more").expect("a good frame");
                received.extend_from_slice(&message.into_data());
            }
            assert!(received == sent);
            peer.send(Message::Ping("are you there".into()))
                .await
                .expect("open");
            let mut at = 0;
            for len in [0, 1, 125, 126, 65_535, 65_536, usize::MAX] {
                let end = sent.len().min(at + len.min(sent.len()));
                let message = Message::Binary(sent[at..end].to_vec().into());
                peer.send(message).await.expect("a reader");
                at = end;
            }
            peer.close(None).await.expect("a reader");
            let mut answers = Vec::new();
            while let Some(answer) = peer.next().await {
                answers.push(answer.expect("a good frame"));
            }
            assert_eq!(answers[0], Message::Pong("are you there".into()));
            assert_eq!(answers[1], Message::Close(None));
        };
        tokio::join!(we_write, we_read, they);
    }
}

#[test]
fn a_stream_can_be_made_and_dropped_outside_of_a_runtime() {
    let (mut server, _peer) = raw(Side::Server, 100);
    let mut shutdown = task::spawn(server.shutdown());
    assert_ready!(shutdown.poll()).expect("room");
}
