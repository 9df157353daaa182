//! Payload in, payload out.

use std::{io, pin::Pin, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, duplex, split},
    time::timeout,
};
use tokio_test::{assert_pending, task};

use super::{
    super::{WsIo, frame::Side},
    pair, pattern, raw, read_exactly,
};

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

/// Nobody flushes, and neither the pipe nor what TLS, for one, would put before it takes all of the question.
#[tokio::test]
async fn a_reader_sends_what_the_transport_did_not_take() {
    let (client, server) = duplex(64);
    let mut client = WsIo::new(BufWriter::new(client), Side::Client, b"");
    let mut server = WsIo::new(server, Side::Server, b"");
    for len in [1, 5000, 100_000] {
        let ask = async {
            client.write_all(&pattern(len)).await.expect("a reader");
            client.read_u8().await.expect("an answer")
        };
        let answer = async {
            let mut question = vec![0; len];
            server.read_exact(&mut question).await.expect("all");
            server.write_all(&[42]).await.expect("room");
            question
        };
        let both = timeout(Duration::from_secs(5), async { tokio::join!(ask, answer) });
        let (answer, question) = both.await.expect("no hang");
        assert!(answer == 42 && question == pattern(len));
    }
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
