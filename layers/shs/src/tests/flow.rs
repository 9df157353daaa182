//! Bytes in, bytes out.

use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, io::Builder, task};

use super::*;

const BATCH: usize = 16 * (HEADER + BODY_MAX) + HEADER;

#[tokio::test]
async fn a_write_is_one_write_below_and_needs_no_flush() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    assert_eq!(io.write(b"hello").await.unwrap(), 5);
    assert_eq!(io.write(&text(100_000)).await.unwrap(), 16 * BODY_MAX);
    let lengths: Vec<_> = wire.state().writes.iter().map(Vec::len).collect();
    assert_eq!(lengths, [HEADER + 5, 16 * (HEADER + BODY_MAX)]);
    let heard = to_far(&wire.written());
    assert_eq!(heard, [b"hello", &text(16 * BODY_MAX)[..]].concat());
    assert_eq!(wire.state().flushes, 0);
    io.flush().await.unwrap();
    assert_eq!(wire.state().flushes, 1);
}

#[tokio::test]
async fn several_slices_share_frames_and_one_write_below() {
    for (slices, frames) in [
        (vec![1, 0, 2, 3], 1),
        (vec![10, 4096], 2),
        (vec![4096, 10, 9], 2),
        (vec![4095, 1, 4096, 5000], 4),
        (vec![5000, 5000, 5000], 4),
        (vec![0, 0, 7], 1),
        (vec![100; 100], 3),
    ] {
        let texts: Vec<_> = slices.iter().map(|length| text(*length)).collect();
        let wire = Wire::new();
        let mut io = near(wire.clone(), true);
        let views: Vec<_> = texts.iter().map(|text| IoSlice::new(text)).collect();
        let count = io.write_vectored(&views).await.unwrap();
        assert_eq!(count, slices.iter().sum::<usize>());
        assert_eq!(wire.state().writes.len(), 1, "{slices:?}");
        assert_eq!(wire.written().len(), count + frames * HEADER, "{slices:?}");
        assert_eq!(to_far(&wire.written()), texts.concat(), "{slices:?}");
    }
}

#[tokio::test]
async fn many_slices_are_taken_up_to_a_batch() {
    for slices in [
        vec![4096; 20],
        vec![3000; 30],
        vec![70_000, 70_000],
        vec![1, 70_000],
    ] {
        let texts: Vec<_> = slices.iter().map(|length| text(*length)).collect();
        let wire = Wire::new();
        let mut io = near(wire.clone(), true);
        let views: Vec<_> = texts.iter().map(|text| IoSlice::new(text)).collect();
        let count = io.write_vectored(&views).await.unwrap();
        assert_eq!(count, 16 * BODY_MAX, "{slices:?}");
        assert_eq!(
            to_far(&wire.written()),
            texts.concat()[..count],
            "{slices:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_written_or_read_for_nothing() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    assert_eq!(io.write(&[]).await.unwrap(), 0);
    assert_eq!(io.write_vectored(&[IoSlice::new(&[])]).await.unwrap(), 0);
    assert_eq!(io.read(&mut []).await.unwrap(), 0);
    assert!(wire.state().writes.is_empty());
    assert_eq!(wire.state().reads, 0);
}

#[tokio::test]
async fn frames_are_opened_straight_into_the_callers_buffer_as_many_as_fit() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    let mut sealer = Sealer::new(key(&FAR));
    wire.arrive(from_far(
        &mut sealer,
        &[b"one", b"two", &text(4096), b"four"],
    ));
    let mut buf = vec![0; 5000];
    assert_eq!(io.read(&mut buf).await.unwrap(), 3 + 3 + 4096 + 4);
    assert_eq!(wire.state().reads, 1);
    assert_eq!(io.held().0, 0);
}

#[test]
fn a_connection_that_waits_holds_no_buffer_or_one_of_a_frame() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    let mut sealer = Sealer::new(key(&FAR));
    let frame = from_far(&mut sealer, &[&text(4000)]);
    let mut buf = [0; 100];
    let mut read = |io: &mut ShsIo<Wire>| {
        let mut read = task::spawn(io.read(&mut buf));
        read.poll().map(|result| result.unwrap())
    };
    assert_pending!(read(&mut io));
    assert_eq!(io.held().0, 0);
    for part in frame[..4030].chunks(1000) {
        wire.arrive(part);
        assert_pending!(read(&mut io));
        assert_eq!(io.held().0, HEADER + BODY_MAX);
    }
    wire.arrive(&frame[4030..]);
    for _ in 0..40 {
        assert_eq!(assert_ready!(read(&mut io)), 100);
    }
    assert_pending!(read(&mut io));
    assert_eq!(io.held().0, 0);
    assert_eq!(io.held().1, 0);
    // And what stays, without the keys on the heap, 32 bytes each.
    assert!(size_of::<ShsIo<()>>() < 400, "{}", size_of::<ShsIo<()>>());
}

#[tokio::test]
async fn a_peer_that_reads_nothing_stops_us_after_a_batch() {
    let wire = Wire::new();
    wire.make_room(1000);
    let mut io = near(wire.clone(), true);
    let all = text(1 << 20);
    let mut taken = 0;
    let mut write = task::spawn(async {
        while taken < all.len() {
            taken += io.write(&all[taken..]).await.unwrap();
        }
    });
    assert_pending!(write.poll());
    wire.make_room(100_000);
    assert!(write.is_woken());
    assert_pending!(write.poll());
    drop(write);
    assert!(taken <= 101_000 + BATCH, "{taken}");
    wire.make_room(usize::MAX);
    io.flush().await.unwrap();
    assert_eq!(io.held().1, 0);
    assert_eq!(taken % BODY_MAX, 0);
}

#[tokio::test]
async fn errors_of_the_transport_pass_through() {
    let error = || io::Error::from(io::ErrorKind::ConnectionReset);
    let mut io = near(Builder::new().read_error(error()).build(), true);
    assert_eq!(
        io.read(&mut [0; 9]).await.unwrap_err().kind(),
        error().kind()
    );
    let mut io = near(Builder::new().write_error(error()).build(), true);
    assert_eq!(io.write(b"x").await.unwrap_err().kind(), error().kind());

    let wire = Wire::new();
    wire.state().is_stuck = true;
    let error = near(wire, true).write(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both directions at once, however the bytes are cut.
    #[test]
    fn what_goes_in_comes_out(
        size in 1..200_usize,
        there in proptest::collection::vec(0..9000_usize, 0..6),
        back in proptest::collection::vec(0..9000_usize, 0..6),
        reads in proptest::collection::vec(1..5000_usize, 1..6),
        is_flushed in any::<bool>(),
    ) {
        let (near, far) = pair(size * size);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (heard_near, heard_far) = runtime.block_on(async {
            tokio::join!(
                talk(near, &there, &reads, is_flushed),
                talk(far, &back, &reads, is_flushed),
            )
        });
        prop_assert_eq!(heard_far, text_of(&there));
        prop_assert_eq!(heard_near, text_of(&back));
    }
}

fn text_of(lengths: &[usize]) -> Vec<u8> {
    lengths.iter().flat_map(|length| text(*length)).collect()
}

/// Says all that, ends, and hears what the other end says.
async fn talk(
    io: ShsIo<DuplexStream>,
    lengths: &[usize],
    reads: &[usize],
    is_flushed: bool,
) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(io);
    let say = async {
        for length in lengths {
            writer.write_all(&text(*length)).await.unwrap();
            if is_flushed {
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

/// Every future that reads or writes is dropped after each poll, and the bytes stay in order.
#[tokio::test]
async fn a_dropped_future_loses_and_repeats_nothing() {
    let (mut near, mut far) = pair(50);
    let all = text(60_000);
    let (mut said, mut heard) = (0, Vec::new());
    let mut buf = [0; 700];
    while heard.len() < all.len() {
        // Else tokio's budget ends, and its pipe gives nothing any more.
        tokio::task::yield_now().await;
        if said < all.len() {
            // Not always the same bytes again: only what was taken is said.
            let end = all.len().min(said + 1 + (said + heard.len()) % 5000);
            let write = poll_once(near.write(&all[said..end])).await;
            said += write.map_or(0, |count| count.unwrap());
        } else {
            let _ = poll_once(near.flush()).await;
        }
        if let Some(count) = poll_once(far.read(&mut buf)).await {
            heard.extend_from_slice(&buf[..count.unwrap()]);
        }
    }
    assert!(heard == all);
}

async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
