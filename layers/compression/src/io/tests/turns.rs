//! Who is woken, and who has to wait.

use tokio_test::{assert_pending, assert_ready_ok, task};

use super::*;

#[test]
fn a_reader_that_waits_sends_what_was_written_before() {
    for format in ALL {
        let wire = Wire::new(5);
        let mut io = over(format, wire.clone(), true);
        assert_ready_ok!(task::spawn(io.write(b"request")).poll());

        // The same task waits for the answer, and nobody flushes.
        let mut buf = [0; 9];
        let mut read = task::spawn(io.read(&mut buf));
        assert_pending!(read.poll());
        wire.make_room(usize::MAX);
        assert!(read.is_woken());
        assert_pending!(read.poll());
        assert_eq!(heard(format, &wire.state().written), b"request");
        assert_eq!(wire.state().flushes, 1);
    }
}

#[test]
fn a_reader_that_waits_in_another_task_is_told_of_what_was_written() {
    for format in ALL {
        let wire = Wire::new(usize::MAX);
        let (mut reader, mut writer) = tokio::io::split(over(format, wire.clone(), true));
        let mut buf = [0; 9];
        let mut read = task::spawn(reader.read(&mut buf));
        assert_pending!(read.poll());
        for _ in 0..3 {
            assert_ready_ok!(task::spawn(writer.write(b"request")).poll());
        }
        assert!(read.is_woken());
        assert_pending!(read.poll());
        let written = wire.state().written.clone();
        assert_eq!(heard(format, &written), b"request".repeat(3));
        // It has nothing more to send, and leaves no trace of that.
        assert_pending!(read.poll());
        assert_eq!(wire.state().written, written);
    }
}

#[test]
fn a_reader_takes_no_turn_from_a_writer_that_waits_elsewhere_and_comes() {
    for format in ALL {
        let wire = Wire::new(2);
        let (mut reader, mut writer) = tokio::io::split(over(format, wire.clone(), true));
        let mut flush = task::spawn(async {
            writer.write_all(b"request").await?;
            writer.flush().await
        });
        assert_pending!(flush.poll());
        let mut buf = [0; 9];
        let mut read = task::spawn(reader.read(&mut buf));
        assert_pending!(read.poll());
        wire.make_room(usize::MAX);
        assert!(flush.is_woken() && read.is_woken());
        assert_pending!(read.poll());
        assert_ready_ok!(flush.poll());
        assert_eq!(heard(format, &wire.state().written), b"request");
        assert_eq!(wire.state().flushes, 1);
    }
}

#[test]
fn a_reader_sends_what_a_writer_elsewhere_has_given_up() {
    for format in ALL {
        let wire = Wire::new(2);
        let (mut reader, mut writer) = tokio::io::split(over(format, wire.clone(), true));
        let mut flush = task::spawn(async {
            writer.write_all(b"request").await?;
            writer.flush().await
        });
        assert_pending!(flush.poll());
        drop(flush);
        let mut buf = [0; 9];
        let mut read = task::spawn(reader.read(&mut buf));
        assert_pending!(read.poll());
        wire.make_room(usize::MAX);
        while read.is_woken() {
            assert_pending!(read.poll());
        }
        assert_eq!(heard(format, &wire.state().written), b"request");
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_stops_us_and_a_flush_then_gives_all() {
    for format in ALL {
        let wire = Wire::new(1000);
        let mut io = over(format, wire.clone(), true);
        // Nothing becomes smaller.
        let mut noise = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(8 << 20)
        .collect();
        let mut taken = 0;
        let mut write = task::spawn(async {
            loop {
                taken += io.write(&noise[taken..]).await.unwrap();
            }
        });
        // Tokio's own turns aside.
        while write.poll().is_pending() && write.is_woken() {}
        drop(write);
        assert!(taken <= 2 << 20, "{format:?}: {taken}");
        wire.make_room(usize::MAX);
        io.flush().await.unwrap();
        let heard = heard(format, &wire.state().written);
        assert_eq!(heard.len(), taken, "{format:?}");
        assert!(heard == noise[..taken], "{format:?}");
    }
}

#[test]
fn bytes_that_bring_nothing_give_others_their_turn() {
    for format in ALL.iter().filter(|format| format.has_members) {
        let wire = Wire::new(0);
        wire.arrive(&compress(format, b"").repeat(10_000));
        wire.arrive(&compress(format, b"one"));
        let mut io = over(format, wire, true);
        let mut buf = [0; 9];
        let mut read = task::spawn(io.read(&mut buf));
        let mut turns = 0;
        loop {
            match read.poll() {
                Poll::Ready(count) => break assert_eq!(count.unwrap(), 3),
                Poll::Pending => assert!(read.is_woken()),
            }
            turns += 1;
        }
        assert!(turns >= 10_000 / FILL_TURN, "{format:?}: {turns}");
    }
}

#[test]
fn a_reader_may_be_polled_as_often_as_one_likes() {
    for format in ALL {
        let stream = compress(format, b"a question and its answer");
        // In the middle of a member, whichever part of it is missing.
        for cut in 1..stream.len() {
            let wire = Wire::new(0);
            wire.arrive(&stream[..cut]);
            let mut io = over(format, wire.clone(), true);
            let mut all = Vec::new();
            let mut read = task::spawn(io.read_to_end(&mut all));
            for _ in 0..100 {
                assert_pending!(read.poll(), "{format:?} cut at {cut}");
            }
            wire.arrive(&stream[cut..]);
            wire.end();
            assert_ready_ok!(read.poll());
            drop(read);
            assert_eq!(all, b"a question and its answer");
        }
    }
}
