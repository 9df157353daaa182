//! Who is woken, and who has to wait.

use std::sync::Arc;

use tokio_test::{assert_pending, assert_ready_ok, task};

use super::*;

#[test]
fn a_reader_sends_what_a_writer_left_behind() {
    let wire = Wire::new();
    wire.make_room(10);
    let mut io = near(wire.clone(), true);
    assert_eq!(
        assert_ready_ok!(task::spawn(io.write(b"request")).poll()),
        7
    );
    assert_eq!(wire.written().len(), 10);

    // The same task waits for the answer, and nobody flushes.
    let mut buf = [0; 9];
    let mut read = task::spawn(io.read(&mut buf));
    assert_pending!(read.poll());
    wire.make_room(usize::MAX);
    assert!(read.is_woken());
    assert_pending!(read.poll());
    drop(read);
    assert_eq!(to_far(&wire.written()), b"request");
}

#[test]
fn a_reader_that_waits_is_told_of_what_a_writer_leaves_behind() {
    let wire = Wire::new();
    let (mut reader, mut writer) = tokio::io::split(near(wire.clone(), true));
    let mut buf = [0; 9];
    let mut read = task::spawn(reader.read(&mut buf));
    assert_pending!(read.poll());

    wire.make_room(10);
    assert_ready_ok!(task::spawn(writer.write(b"request")).poll());
    wire.make_room(usize::MAX);
    assert!(read.is_woken());
    assert_pending!(read.poll());
    assert_eq!(to_far(&wire.written()), b"request");
}

#[test]
fn of_a_reader_and_a_writer_in_two_tasks_either_goes_on_without_the_other() {
    for is_written in [true, false] {
        let wire = Wire::new();
        wire.make_room(10);
        let (mut reader, mut writer) = tokio::io::split(near(wire.clone(), true));
        assert_ready_ok!(task::spawn(writer.write(b"request")).poll());
        let mut buf = [0; 9];
        let mut read = task::spawn(reader.read(&mut buf));
        let mut flush = task::spawn(writer.flush());
        // Whichever of them was the last to look at the transport.
        match is_written {
            true => {
                assert_pending!(flush.poll());
                assert_pending!(read.poll());
                drop(read);
                wire.make_room(usize::MAX);
                assert!(flush.is_woken());
                assert_ready_ok!(flush.poll());
            }
            false => {
                assert_pending!(read.poll());
                assert_pending!(flush.poll());
                // A write that is given up leaves what was taken before to the reader.
                drop(flush);
                wire.make_room(usize::MAX);
                assert!(read.is_woken());
                assert_pending!(read.poll());
            }
        }
        assert_eq!(to_far(&wire.written()), b"request");
    }
}

#[test]
fn empty_frames_give_others_their_turn_and_end_in_an_error() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    let mut sealer = Sealer::new(key(&FAR));
    let flood: Vec<u8> = (0..40_000).flat_map(|_| sealer.seal_nothing()).collect();
    wire.arrive(flood);
    let mut buf = [0; 9];
    let mut read = task::spawn(io.read(&mut buf));
    let mut turns = 0;
    let error = loop {
        match read.poll() {
            Poll::Ready(result) => break result.unwrap_err(),
            Poll::Pending => assert!(read.is_woken(), "turn {turns}"),
        }
        turns += 1;
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(turns >= 200, "{turns} turns");
}

#[test]
fn empty_frames_now_and_then_keep_a_connection_alive() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    let mut sealer = Sealer::new(key(&FAR));
    let mut buf = [0; 9];
    let mut read = task::spawn(io.read(&mut buf));
    for _ in 0..200 {
        wire.arrive(
            (0..100)
                .flat_map(|_| sealer.seal_nothing())
                .collect::<Vec<_>>(),
        );
        loop {
            assert_pending!(read.poll());
            if !read.is_woken() {
                break;
            }
        }
    }
    wire.arrive(from_far(&mut sealer, &[b"hello"]));
    assert_eq!(assert_ready_ok!(read.poll()), 5);
}

#[test]
fn bytes_that_bring_nothing_give_others_their_turn() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    let frame = from_far(&mut Sealer::new(key(&FAR)), &[&text(200)]);
    for byte in &frame {
        wire.arrive([*byte]);
    }
    let mut buf = [0; 200];
    let mut read = task::spawn(io.read(&mut buf));
    // It looks 64 times in one turn.
    for _ in 0..frame.len() / 64 {
        assert_pending!(read.poll());
        assert!(read.is_woken());
    }
    assert_eq!(assert_ready_ok!(read.poll()), 200);
}

#[tokio::test]
async fn two_writers_and_an_end_never_break_the_stream() {
    let wire = Wire::new();
    let (_reader, writer) = tokio::io::split(near(wire.clone(), true));
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..2 {
        let writer = writer.clone();
        tasks.spawn(async move {
            for _ in 0..100 {
                let written = writer.lock().await.write(&[task; 10]).await;
                tokio::task::yield_now().await;
                if written.is_err() {
                    return;
                }
            }
        });
    }
    tasks.spawn(async move {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        writer.lock().await.shutdown().await.unwrap();
    });
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let stream = wire.written();
    let mut opener = Opener::new(key(&NEAR));
    let mut heard = vec![0; stream.len()];
    let opened = opener.open(&stream, &mut heard).unwrap();
    assert_eq!(opened.read, stream.len());
    assert_eq!(opener.end(), Ok(()));
    assert!(opened.written >= 500, "{}", opened.written);
}
