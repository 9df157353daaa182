//! Bytes in, bytes out.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// One side asks, the other answers, and neither says more until it has heard.
#[tokio::test]
async fn a_flush_delivers_what_was_written() {
    for format in ALL {
        let (mut near, mut far) = pair(format, 64);
        for length in [1, 2, 100, 5000].repeat(5) {
            let (question, mut buf) = (text(length), vec![0; length]);
            let ask = async {
                near.write_all(&question).await.unwrap();
                near.flush().await.unwrap();
            };
            tokio::join!(ask, async { far.read_exact(&mut buf).await.unwrap() });
            assert!(buf == question, "{format:?}");
            std::mem::swap(&mut near, &mut far);
        }
    }
}

#[tokio::test]
async fn what_is_small_waits_for_a_flush_and_nothing_is_flushed_twice() {
    for format in ALL {
        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), true);
        for _ in 0..1000 {
            io.write_all(b"hello ").await.unwrap();
        }
        let unflushed = wire.state().written.len();
        io.flush().await.unwrap();
        let flushed = wire.state().written.len();
        assert!(unflushed < 20 && flushed < 100, "{format:?}: {flushed}");
        assert_eq!(heard(format, &wire.state().written), b"hello ".repeat(1000));
        io.flush().await.unwrap();
        assert_eq!(wire.state().written.len(), flushed, "{format:?}");
        assert_eq!(wire.state().flushes, 2);
    }
}

#[tokio::test]
async fn several_slices_are_one_write() {
    for format in ALL {
        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), true);
        let (a, b) = (text(3000), text(5000));
        let slices = [&a[..], b"", &b].map(IoSlice::new);
        assert_eq!(io.write_vectored(&slices).await.unwrap(), 8000);
        io.flush().await.unwrap();
        assert_eq!(heard(format, &wire.state().written), [a, b].concat());
    }
}

#[tokio::test]
async fn nothing_is_written_or_read_for_nothing() {
    for format in ALL {
        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), true);
        assert_eq!(io.write(&[]).await.unwrap(), 0);
        assert_eq!(io.write_vectored(&[IoSlice::new(&[])]).await.unwrap(), 0);
        io.flush().await.unwrap();
        assert_eq!(io.read(&mut []).await.unwrap(), 0);
        let state = wire.state();
        assert_eq!((state.written.len(), state.reads), (0, 0));
    }
}

/// A bomb costs only what is read of it.
#[tokio::test]
async fn nothing_is_taken_from_the_transport_before_it_is_asked_for() {
    for format in ALL {
        let bomb = compress(format, &vec![0; 40 << 20]);
        let wire = Wire::new(usize::MAX);
        wire.arrive(&bomb.repeat(20));
        let mut io = over(format, wire.clone(), true);
        let there = wire.state().incoming.len();
        io.write_all(b"busy").await.unwrap();
        io.flush().await.unwrap();
        assert_eq!(wire.state().incoming.len(), there);
        let mut buf = [1; 10];
        io.read_exact(&mut buf).await.unwrap();
        assert_eq!(buf, [0; 10]);
        let taken = there - wire.state().incoming.len();
        assert!(taken <= reader::ARRIVED, "{format:?}: {taken}");
        assert_eq!(wire.state().reads, 1);
    }
}

#[tokio::test]
async fn a_limit_is_an_error_with_its_place() {
    for format in ALL {
        let wire = Wire::new(usize::MAX);
        wire.arrive(&compress(format, &text(100)));
        let limits = Limits {
            bytes: Some(50),
            ratio: None,
        };
        let mut io = limited(format, limits, wire, true);
        let mut all = Vec::new();
        let error = io.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(all, text(100)[..50]);
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = tower_multiserver_core::Error::from(error);
        assert_eq!(error.kind(), tower_multiserver_core::ErrorKind::Limit);
        let again = io.read(&mut [0]).await.unwrap_err();
        let ours: &tower_multiserver_core::Error = again.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(ours.address().unwrap().to_string(), "pipe~compressed");
        let cause = std::error::Error::source(ours).unwrap().downcast_ref();
        assert_eq!(cause, Some(&CompressionError::Bytes(50)));
    }
}

#[test]
fn a_connection_that_never_spoke_holds_next_to_nothing() {
    for format in ALL {
        let io = over(format, Wire::new(0), true);
        assert!(size_of_val(&io) < 600, "{}", size_of_val(&io));
        let shown = format!("{io:?}");
        assert!(
            shown.contains("leaving: []") && shown.contains("arrived: []"),
            "{shown}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both directions at once, however the bytes are cut.
    #[test]
    fn what_goes_in_comes_out(
        format in select(ALL),
        size in 1..200_usize,
        there in vec((0..40_000_usize, any::<bool>()), 0..6),
        back in vec((0..9000_usize, any::<bool>()), 0..6),
        reads in vec(1..5000_usize, 1..6),
    ) {
        let (near, far) = pair(format, size * size);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (heard_near, heard_far) = runtime.block_on(async {
            tokio::join!(talk(near, &there, &reads), talk(far, &back, &reads))
        });
        prop_assert!(heard_far == text_of(&there));
        prop_assert!(heard_near == text_of(&back));
    }
}

fn text_of(lengths: &[(usize, bool)]) -> Vec<u8> {
    lengths
        .iter()
        .flat_map(|(length, _)| text(*length))
        .collect()
}

/// Says all that, with flushes where it says so, ends, and hears what the other end says.
async fn talk(
    io: CompressionIo<DuplexStream>,
    lengths: &[(usize, bool)],
    reads: &[usize],
) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(io);
    let say = async {
        for (length, is_flushed) in lengths {
            writer.write_all(&text(*length)).await.unwrap();
            if *is_flushed {
                writer.flush().await.unwrap();
            }
        }
        writer.shutdown().await.unwrap();
    };
    let hear = async {
        let mut heard = Vec::new();
        for length in reads.iter().cycle() {
            let mut buf = vec![0; *length];
            match reader.read(&mut buf).await.unwrap() {
                0 => break,
                count => heard.extend_from_slice(&buf[..count]),
            }
        }
        heard
    };
    tokio::join!(say, hear).1
}

/// Every future that reads, writes or flushes is dropped after each poll, and the bytes stay in order.
#[tokio::test]
async fn a_dropped_future_loses_and_repeats_nothing() {
    for format in ALL {
        let (mut near, mut far) = pair(format, 50);
        let all = text(60_000);
        let (mut said, mut heard) = (0, Vec::new());
        let mut buf = [0; 700];
        while heard.len() < all.len() {
            // Else tokio's budget ends, and nobody gets anything any more.
            tokio::task::yield_now().await;
            if said < all.len() {
                // Not always the same bytes again: only what was taken is said.
                let end = all.len().min(said + 1 + (said + heard.len()) % 5000);
                let write = poll_once(near.write(&all[said..end])).await;
                said += write.map_or(0, |count| count.unwrap());
            }
            if said == all.len() || (said + heard.len()) % 3 == 0 {
                let _ = poll_once(near.flush()).await;
            }
            if let Some(count) = poll_once(far.read(&mut buf)).await {
                heard.extend_from_slice(&buf[..count.unwrap()]);
            }
        }
        assert!(heard == all, "{format:?}");
    }
}

async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Both take place without a look at the transport for a long time, and would keep a thread to themselves.
#[tokio::test]
async fn a_bomb_that_is_read_or_written_gives_others_their_turn() {
    const ZEROS: usize = 40 << 20;
    for format in ALL {
        let turns = Arc::new(AtomicUsize::new(0));
        let others = tokio::spawn({
            let turns = turns.clone();
            async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        });
        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), true);
        tokio::spawn(async move {
            let zeros = vec![0; ZEROS];
            io.write_all(&zeros).await.unwrap();
            io.shutdown().await.unwrap();
        })
        .await
        .unwrap();
        let writing = turns.swap(0, Ordering::Relaxed);
        let bomb = std::mem::take(&mut wire.state().written);
        wire.arrive(&bomb);
        wire.end();
        let mut io = over(format, wire, true);
        let count = tokio::spawn(async move {
            let mut buf = vec![0; 1 << 16];
            let mut all = 0;
            loop {
                match io.read(&mut buf).await.unwrap() {
                    0 => break all,
                    count => all += count,
                }
            }
        });
        assert_eq!(count.await.unwrap(), ZEROS);
        let reading = turns.load(Ordering::Relaxed);
        assert!(
            writing >= 4 && reading >= 4,
            "{format:?}: {writing} {reading}"
        );
        others.abort();
    }
}
