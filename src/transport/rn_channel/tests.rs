//! The stream over a pipe of lines, with a peer that speaks in raw lines.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio_util::codec::{Framed, LinesCodec};
use tower_multiserver_core::{Error, ErrorKind};

use super::{Aborted, RnChannelIo, Violation, message};
use crate::transport::lingered;

type Lines = Framed<DuplexStream, LinesCodec>;

/// Two pipes of lines, between which `size` bytes find room.
fn lines(size: usize) -> (Lines, Lines) {
    let (a, b) = duplex(size);
    let lines = |io| Framed::new(io, LinesCodec::new());
    (lines(a), lines(b))
}

fn raw(size: usize) -> (RnChannelIo<Lines>, Lines) {
    let (ours, theirs) = lines(size);
    (RnChannelIo::new(ours), theirs)
}

fn pair(size: usize) -> (RnChannelIo<Lines>, RnChannelIo<Lines>) {
    let (ours, theirs) = lines(size);
    (RnChannelIo::new(ours), RnChannelIo::new(theirs))
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

async fn line(from: &mut Lines) -> Option<String> {
    from.next().await.transpose().expect("a line")
}

async fn read_error(io: &mut RnChannelIo<Lines>) -> io::Error {
    io.read_to_end(&mut Vec::new()).await.expect_err("an error")
}

#[tokio::test]
async fn each_write_is_a_message_and_a_shutdown_is_the_end() {
    let (mut io, mut theirs) = raw(1000);
    io.write_all(b"hello").await.unwrap();
    assert_eq!(line(&mut theirs).await, Some(message::data(1, b"hello")));
    assert_eq!(io.write(b"").await.unwrap(), 0);
    let parts = [&b"wor"[..], b"", b"ld"].map(io::IoSlice::new);
    assert_eq!(io.write_vectored(&parts).await.unwrap(), 5);
    assert_eq!(line(&mut theirs).await, Some(message::data(2, b"world")));
    io.shutdown().await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(line(&mut theirs).await, Some(message::end(3)));
    let late = io.write(b"late").await.unwrap_err();
    assert_eq!(late.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_message_is_never_longer_than_64_kib_of_base64() {
    let (mut io, mut theirs) = raw(1 << 20);
    let all = pattern(100_000);
    assert_eq!(io.write(&all).await.unwrap(), 48 * 1024);
    let parts = [&all[..40_000], &all[40_000..]].map(io::IoSlice::new);
    assert_eq!(io.write_vectored(&parts).await.unwrap(), 48 * 1024);
    for seq in [1, 2] {
        let message = line(&mut theirs).await;
        assert_eq!(message, Some(message::data(seq, &all[..48 * 1024])));
    }
    // What the other end's codec must take, whatever was sent before.
    let longest = message::data(u64::MAX, &all[..48 * 1024]);
    assert!(longest.len() < 65 * 1024);
}

#[tokio::test]
async fn each_side_can_end_and_still_read() {
    let (mut a, mut b) = pair(1000);
    a.write_all(b"question").await.unwrap();
    a.shutdown().await.unwrap();
    let mut text = String::new();
    b.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    b.write_all(b"answer").await.unwrap();
    b.shutdown().await.unwrap();
    text.clear();
    a.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

/// A child whose stdin closes would end before it has answered.
#[tokio::test]
async fn the_pipe_is_closed_when_both_have_ended_and_not_before() {
    let (mut io, mut theirs) = raw(1000);
    io.shutdown().await.unwrap();
    assert_eq!(line(&mut theirs).await, Some(message::end(1)));
    assert_eq!(theirs.next().now_or_never().map(drop), None);
    theirs.send(message::end(1)).await.unwrap();
    assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(line(&mut theirs).await, None);

    let (mut io, mut theirs) = raw(1000);
    theirs.send(message::end(1)).await.unwrap();
    assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
    io.shutdown().await.unwrap();
    assert_eq!(line(&mut theirs).await, Some(message::end(1)));
    assert_eq!(line(&mut theirs).await, None);
}

#[tokio::test]
async fn a_drop_after_a_shutdown_closes_the_pipe() {
    let (mut io, mut theirs) = raw(1000);
    io.shutdown().await.unwrap();
    drop(io);
    assert_eq!(line(&mut theirs).await, Some(message::end(1)));
    assert_eq!(line(&mut theirs).await, None);
}

/// A process that writes to a pipe without a reader dies of it.
#[tokio::test]
async fn a_drop_after_a_shutdown_reads_on_until_the_peer_has_ended() {
    let (mut io, mut theirs) = raw(1000);
    io.shutdown().await.unwrap();
    drop(io);
    for seq in 1..20 {
        theirs.send(message::data(seq, &[0; 1000])).await.unwrap();
    }
    theirs.send(message::end(20)).await.unwrap();
    lingered().await;
    theirs.send(message::end(21)).await.unwrap_err();
}

#[tokio::test]
async fn a_drop_without_a_shutdown_is_told_to_the_peer_behind_what_was_sent() {
    let (mut io, mut theirs) = raw(1000);
    io.write_all(b"cut").await.unwrap();
    drop(io);
    assert_eq!(line(&mut theirs).await, Some(message::data(1, b"cut")));
    assert_eq!(line(&mut theirs).await, Some(message::cut(2)));
    assert_eq!(line(&mut theirs).await, None);

    let (a, mut b) = pair(1000);
    drop(a);
    let error = read_error(&mut b).await;
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    assert!(error.get_ref().unwrap().is::<Aborted>());
}

#[tokio::test]
async fn what_waits_at_a_drop_still_goes_out() {
    let (mut io, mut theirs) = raw(16);
    let all = pattern(5000);
    io.write_all(&all).await.unwrap();
    drop(io);
    assert_eq!(line(&mut theirs).await, Some(message::data(1, &all)));
    assert_eq!(line(&mut theirs).await, Some(message::cut(2)));
}

#[tokio::test(start_paused = true)]
async fn a_drop_waits_for_no_peer_that_does_not_read() {
    let (mut io, mut theirs) = raw(16);
    io.write_all(&[0; 5000]).await.unwrap();
    drop(io);
    lingered().await;
    let rest = theirs.next().await.expect("a cut line");
    assert!(rest.unwrap().len() < 100);
    assert!(theirs.next().await.is_none());
}

#[tokio::test]
async fn a_cut_pipe_is_no_end() {
    let (mut io, mut theirs) = raw(1000);
    theirs.send(message::data(1, b"some")).await.unwrap();
    theirs.send(message::data(3, b"more")).await.unwrap();
    drop(theirs);
    let mut all = Vec::new();
    let error = io.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(all, b"some");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let again = io.read(&mut [0]).await.unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::UnexpectedEof);
    io.write_all(b"x").await.unwrap_err();
}

#[tokio::test]
async fn a_violation_ends_reading_for_good_and_has_a_type() {
    for (message, violation) in [
        ("nonsense", Violation::Syntax),
        (r#"{"type":"ping","seq":1}"#, Violation::Type),
        (r#"{"type":"end","seq":0}"#, Violation::Repeated),
    ] {
        let (mut io, mut theirs) = raw(1000);
        theirs.send(message.to_owned()).await.unwrap();
        for _ in 0..2 {
            let error = read_error(&mut io).await;
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{message}");
            let cause = error.get_ref().unwrap().downcast_ref();
            assert_eq!(cause, Some(&violation), "{message}");
        }
    }
}

#[tokio::test]
async fn what_is_over_a_limit_is_of_that_kind() {
    let (mut io, mut theirs) = raw(1 << 20);
    for seq in 2..=1026 {
        theirs.send(message::end(seq)).await.unwrap();
    }
    let error = Error::from(read_error(&mut io).await);
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[tokio::test]
async fn an_error_of_the_pipe_is_handed_on() {
    let (ours, mut theirs) = duplex(100);
    let mut io = RnChannelIo::new(Framed::new(ours, LinesCodec::new_with_max_length(10)));
    theirs.write_all(&[b'x'; 50]).await.unwrap();
    let error = io.read(&mut [0]).await.unwrap_err();
    let codec = error.get_ref().unwrap();
    assert!(codec.is::<tokio_util::codec::LinesCodecError>());
    let error = io.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_writer_waits_while_the_pipe_has_no_room() {
    let (mut io, mut theirs) = raw(64);
    let mut accepted = 0;
    while let Some(n) = io.write(&[7; 1000]).now_or_never() {
        accepted += n.unwrap();
        // The codec keeps 8 KiB, and one message more.
        assert!(accepted < 100_000, "nothing holds the writer back");
    }
    let mut write = pin!(io.write(&[7; 1000]));
    assert!(write.as_mut().now_or_never().is_none());
    let read = async { while theirs.next().await.is_some() {} };
    tokio::select! {
        n = write => assert_eq!(n.unwrap(), 1000),
        () = read => unreachable!("the pipe is open"),
    }
}

/// Messages of the same bytes without end, which counts those that were taken, and breaks when it is written to.
#[derive(Default)]
struct Endless {
    taken: Arc<AtomicU64>,
    bytes: &'static [u8],
}

impl Stream for Endless {
    type Item = io::Result<String>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let seq = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        Poll::Ready(Some(Ok(message::data(seq, self.bytes))))
    }
}

impl Sink<String> for Endless {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: String) -> io::Result<()> {
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_message_is_taken_only_when_all_before_it_was_read() {
    let taken = Arc::new(AtomicU64::new(0));
    let mut io = RnChannelIo::new(Endless {
        taken: taken.clone(),
        bytes: &[1; 1000],
    });
    for (bytes, messages) in [(2500, 3), (500, 3), (1, 4)] {
        io.read_exact(&mut vec![0; bytes]).await.unwrap();
        assert_eq!(taken.load(Ordering::Relaxed), messages);
    }
}

#[tokio::test]
async fn a_pipe_that_failed_is_not_written_to_again() {
    let mut io = RnChannelIo::new(Endless::default());
    let error = io.write(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    for error in [io.write(b"x").await.err(), io.flush().await.err()] {
        assert_eq!(error.unwrap().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn messages_without_bytes_let_others_have_their_turn() {
    let mut io = RnChannelIo::new(Endless::default());
    assert!(io.read(&mut [0]).now_or_never().is_none());
}

/// Neither side flushes, and the pipe holds less than the question.
#[tokio::test]
async fn a_reader_sends_what_the_pipe_did_not_take() {
    let (mut a, mut b) = pair(64);
    let ask = async {
        a.write_all(&pattern(5000)).await.unwrap();
        a.read_u8().await.unwrap()
    };
    let answer = async {
        b.read_exact(&mut [0; 5000]).await.unwrap();
        b.write_all(&[42]).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask, answer);
    assert_eq!(answer, 42);
}

#[tokio::test]
async fn both_directions_go_on_at_once_in_different_tasks() {
    let (a, b) = pair(100);
    let all = pattern(300_000);
    let (mut a_from, mut a_to) = split(a);
    let sent = all.clone();
    let send = tokio::spawn(async move {
        a_to.write_all(&sent).await.unwrap();
        a_to.shutdown().await.unwrap();
    });
    let echo = tokio::spawn(async move {
        let (mut from, mut to) = split(b);
        tokio::io::copy(&mut from, &mut to).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut back = Vec::new();
    a_from.read_to_end(&mut back).await.unwrap();
    send.await.unwrap();
    echo.await.unwrap();
    assert!(back == all);
}

proptest! {
    #[test]
    fn any_writes_arrive_whole(
        writes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..20),
        size in 1_usize..500,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let read = runtime.block_on(async {
            let (mut a, mut b) = pair(size);
            let write = async {
                for write in &writes {
                    a.write_all(write).await.unwrap();
                }
                a.shutdown().await.unwrap();
            };
            let mut all = Vec::new();
            let ((), read) = tokio::join!(write, b.read_to_end(&mut all));
            read.unwrap();
            all
        });
        prop_assert_eq!(read, writes.concat());
    }
}
