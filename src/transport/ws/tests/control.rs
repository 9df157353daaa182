//! What stands between payload.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, DuplexStream, duplex, split},
    time::sleep,
};
use tokio_test::{assert_pending, assert_ready, task};

use super::{
    super::{Violation, WsIo, frame::Side},
    Ws, raw, read_error, read_exactly, violation,
};

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

/// TLS, for one, takes what the transport does not.
#[tokio::test]
async fn a_pong_that_a_layer_below_holds_back_goes_out_while_somebody_reads() {
    let (ours, mut peer) = duplex(2);
    let mut client = WsIo::new(BufWriter::new(ours), Side::Client, b"");
    let (mut byte, mut more) = ([0], [0]);
    let asked = peer.write_all(b"\x89\x02hi\x82\x01x");
    let (asked, read) = tokio::join!(asked, client.read(&mut byte));
    asked.expect("room");
    assert_eq!((read.expect("a byte"), &byte), (1, b"x"));
    let pong: [u8; 8] = tokio::select! {
        pong = read_exactly(&mut peer) => pong,
        more = client.read(&mut more) => panic!("nothing to read: {more:?}"),
        () = sleep(Duration::from_secs(5)) => panic!("no pong"),
    };
    assert_eq!(pong[..2], *b"\x8a\x82");
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
        client.stream().buffered() < 2000,
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

#[tokio::test]
async fn a_pong_that_did_not_fit_goes_out_though_nobody_writes() {
    let (mut server, mut peer) = raw(Side::Server, 40);
    peer.write_all(b"\x89\x9e\0\0\0\0").await.expect("room");
    peer.write_all(&[7; 30]).await.expect("room");
    let mut byte = [0];
    let mut reader = task::spawn(server.read(&mut byte));
    assert_pending!(reader.poll());
    peer.write_all(b"\x89\x9e\0\0\0\0").await.expect("room");
    peer.write_all(&[8; 30]).await.expect("room");
    // The second pong has room for a part only.
    assert_pending!(reader.poll());
    assert_eq!(read_exactly::<32>(&mut peer).await[2], 7);
    assert!(reader.is_woken());
    assert_pending!(reader.poll());
    assert_eq!(read_exactly::<32>(&mut peer).await[2..], [8; 30]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_without_payload_is_closed_with_1008() {
    for frame in [&b"\x89\x00"[..], b"\x8a\x00", b"\x82\x00", b"\x02\x00"] {
        let (mut client, mut peer) = raw(Side::Client, 1000);
        let flood = async {
            let mut frame = frame.to_vec();
            for _ in 0..10_000 {
                if peer.write_all(&frame).await.is_err() {
                    break;
                }
                if frame[0] & 0x8f == 0x02 && frame[0] < 0x80 {
                    frame[0] = 0; // The message goes on.
                }
            }
        };
        let error = tokio::select! {
            () = flood => panic!("not cut off"),
            error = read_error(&mut client) => error,
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(violation(&error), Some(Violation::Flood));
        assert!(client.stream().buffered() < 4096);
        let pongs = before_close(1008, client, peer).await;
        assert!(pongs.chunks(6).all(|pong| pong.starts_with(b"\x8a\x80")));
    }
}

/// What stands before our close frame with this code, which is the last that is written.
async fn before_close(code: u16, client: Ws, mut peer: DuplexStream) -> Vec<u8> {
    drop(client);
    let mut all = Vec::new();
    peer.shutdown().await.expect("open");
    peer.read_to_end(&mut all).await.expect("the end");
    let close = all.split_off(all.len() - 8);
    assert_eq!(close[..2], *b"\x88\x82");
    let told = [close[6] ^ close[2], close[7] ^ close[3]];
    assert_eq!(u16::from_be_bytes(told), code);
    all
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

#[tokio::test(start_paused = true)]
async fn a_violation_is_an_error_after_the_data_before_it_and_closes_with_its_code() {
    use Violation::*;
    for (bytes, expected, code) in [
        (&b"\x82\x01a\x81\x01b"[..], Text, 1003),
        (b"\x82\x01a\x82\x81\0\0\0\0b", Masking, 1002),
        (b"\x82\x01a\xc2\x01b", Reserved, 1002),
        (b"\x82\x01a\x82\x7f\xff\0\0\0\0\0\0\0", Length, 1002),
        (b"\x82\x01a\x89\x7e\0\x7e", Control, 1002),
        (b"\x82\x01a\x80\x01b", Fragments, 1002),
        (b"\x82\x01a\x88\x03\x03\xe8\xff", CloseReason, 1007),
        (b"\x82\x01a\x88\x01\x03", CloseCode, 1002),
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
        assert_eq!(before_close(code, client, peer).await, b"");
    }
}
