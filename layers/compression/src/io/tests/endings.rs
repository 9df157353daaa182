//! How a stream ends: each row of the table in the crate's documentation.

use tokio_test::{assert_pending, assert_ready_ok, task};

use super::*;

const HELLO: &[u8] = b"hello";

/// What is read of those bytes with the end of the transport behind them.
async fn read_of(format: &'static Format, bytes: &[u8]) -> (Vec<u8>, io::Result<usize>) {
    let wire = Wire::new(0);
    wire.arrive(bytes);
    wire.end();
    let mut all = Vec::new();
    let mut io = over(format, wire, true);
    let end = io.read_to_end(&mut all).await;
    let again = io.read(&mut [0]).await;
    assert_eq!(
        again.map_err(|error| error.kind()).err(),
        end.as_ref().map_err(|error| error.kind()).err(),
        "it is told again"
    );
    (all, end)
}

#[tokio::test]
async fn a_shutdown_writes_the_end_once_and_nothing_goes_behind_it() {
    for format in ALL {
        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), true);
        io.write_all(HELLO).await.unwrap();
        for _ in 0..3 {
            io.shutdown().await.unwrap();
        }
        for error in [
            io.write(b"more").await.unwrap_err(),
            io.write(&[]).await.unwrap_err(),
            io.write_vectored(&[IoSlice::new(b"more")])
                .await
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        io.flush().await.unwrap();
        let written = wire.state().written.clone();
        assert_eq!(read_of(format, &written).await.0, HELLO, "{format:?}");
        assert_eq!(wire.state().shutdowns, 1);
    }
}

#[tokio::test]
async fn a_shutdown_without_a_word_is_an_end_too() {
    for format in ALL {
        let (mut near, mut far) = pair(format, 1000);
        near.shutdown().await.unwrap();
        for _ in 0..3 {
            assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0, "{format:?}");
        }
    }
}

#[tokio::test]
async fn either_direction_ends_by_itself_with_and_without_half_close_below() {
    for format in ALL {
        for has_half_close in [true, false] {
            let (a, b) = tokio::io::duplex(1000);
            let mut near = over(format, a, has_half_close);
            let mut far = over(format, b, has_half_close);
            near.write_all(HELLO).await.unwrap();
            near.shutdown().await.unwrap();
            let mut text = Vec::new();
            far.read_to_end(&mut text).await.unwrap();
            assert_eq!(text, HELLO);
            for _ in 0..3 {
                far.write_all(b"still here").await.unwrap();
                far.flush().await.unwrap();
                let mut buf = [0; 10];
                near.read_exact(&mut buf).await.unwrap();
            }
            far.shutdown().await.unwrap();
            assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn a_cut_anywhere_is_an_error_behind_what_came() {
    for format in ALL {
        let text = text(300);
        let stream = compress(format, &text);
        for cut in 0..stream.len() {
            let (all, end) = read_of(format, &stream[..cut]).await;
            let error = end.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{format:?} {cut}");
            let cause = error.get_ref().unwrap().downcast_ref();
            assert_eq!(cause, Some(&CompressionError::Truncated));
            assert!(text.starts_with(&all), "{format:?} {cut}");
        }
    }
}

#[tokio::test]
async fn a_drop_without_a_shutdown_is_a_cut() {
    for format in ALL {
        let (mut near, mut far) = pair(format, 1000);
        near.write_all(HELLO).await.unwrap();
        near.flush().await.unwrap();
        drop(near);
        let mut text = Vec::new();
        let error = far.read_to_end(&mut text).await.unwrap_err();
        assert_eq!((&*text, error.kind()), (HELLO, ErrorKind::UnexpectedEof));
    }
}

#[tokio::test]
async fn what_is_not_in_the_format_is_an_error_for_good() {
    for format in ALL {
        let (all, end) = read_of(format, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(all.len() < 10, "{format:?}");
    }
}

#[tokio::test]
async fn errors_of_the_transport_pass_through() {
    let error = || io::Error::from(ErrorKind::ConnectionReset);
    for format in ALL {
        let broken = tokio_test::io::Builder::new().read_error(error()).build();
        let read = over(format, broken, true).read(&mut [0; 9]).await;
        assert_eq!(read.unwrap_err().kind(), error().kind());
        let broken = tokio_test::io::Builder::new().write_error(error()).build();
        let mut io = over(format, broken, true);
        let written = async {
            io.write_all(b"x").await?;
            io.flush().await
        };
        assert_eq!(written.await.unwrap_err().kind(), error().kind());
    }
}

#[test]
fn an_end_waits_for_what_was_said_before_it() {
    for format in ALL {
        let wire = Wire::new(2);
        let mut io = over(format, wire.clone(), true);
        assert_ready_ok!(task::spawn(io.write(HELLO)).poll());
        let mut shutdown = task::spawn(io.shutdown());
        assert_pending!(shutdown.poll());
        assert_eq!(wire.state().shutdowns, 0);
        wire.make_room(3);
        assert!(shutdown.is_woken());
        assert_pending!(shutdown.poll());
        drop(shutdown);
        wire.make_room(usize::MAX);
        assert_ready_ok!(task::spawn(io.shutdown()).poll());
        assert_eq!(wire.state().shutdowns, 1);
        assert_eq!(heard(format, &wire.state().written), HELLO);
    }
}

#[tokio::test]
async fn a_transport_without_half_close_is_shut_down_when_both_directions_have_ended() {
    for format in ALL {
        let end = compress(format, b"");

        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), false);
        io.shutdown().await.unwrap();
        assert_eq!(wire.state().flushes, 1);
        assert_eq!(wire.state().shutdowns, 0);
        wire.arrive(&end);
        for _ in 0..3 {
            assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
            assert_eq!(wire.state().shutdowns, 1);
        }

        let wire = Wire::new(usize::MAX);
        let mut io = over(format, wire.clone(), false);
        wire.arrive(&end);
        assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
        io.write_all(HELLO).await.unwrap();
        assert_eq!(wire.state().shutdowns, 0);
        io.shutdown().await.unwrap();
        assert_eq!(wire.state().shutdowns, 1);
    }
}
