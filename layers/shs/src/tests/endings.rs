//! How a stream ends: each row of the table in the crate's documentation, and what hostile ends there are.

use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

use super::*;

const HELLO: &[u8] = b"hello";

fn stream(texts: &[&[u8]]) -> (Vec<u8>, Sealer) {
    let mut sealer = Sealer::new(key(&FAR));
    let stream = from_far(&mut sealer, texts);
    (stream, sealer)
}

/// A connection to which that has arrived, and then the end of the transport.
fn heard(bytes: &[u8]) -> ShsIo<Wire> {
    let wire = Wire::new();
    wire.arrive(bytes);
    wire.end();
    near(wire, true)
}

#[tokio::test]
async fn a_goodbye_ends_the_reading_for_ever() {
    let (mut bytes, sealer) = stream(&[HELLO]);
    bytes.extend(sealer.goodbye());
    bytes.extend([7; 100_000]);
    let mut io = heard(&bytes);
    let mut text = Vec::new();
    assert_eq!(io.read_to_end(&mut text).await.unwrap(), 5);
    let reads = io.get_ref().state().reads;
    for _ in 0..3 {
        assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
    }
    // Nothing more is even taken from the transport.
    assert_eq!(io.get_ref().state().reads, reads);
    assert_eq!(io.held().0, 0);
}

#[tokio::test]
async fn a_cut_anywhere_is_an_error_behind_the_whole_frames() {
    let (mut bytes, sealer) = stream(&[b"a", &[9; 40], b"bc"]);
    bytes.extend(sealer.goodbye());
    for cut in 0..bytes.len() {
        let mut io = heard(&bytes[..cut]);
        let mut text = Vec::new();
        let error = io.read_to_end(&mut text).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "at {cut}");
        let source = error.get_ref().unwrap().downcast_ref();
        assert_eq!(source, Some(&crate::box_stream::BoxStreamError::Truncated));
        let whole = match cut {
            0..35 => 0,
            35..109 => 1,
            109..145 => 41,
            _ => 43,
        };
        assert_eq!(text.len(), whole, "at {cut}");
        let again = io.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::UnexpectedEof, "at {cut}");
    }
    heard(&bytes).read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_changed_byte_is_an_error_for_good_behind_what_came_before() {
    let (first, mut sealer) = stream(&[HELLO]);
    let mut bytes = [first, from_far(&mut sealer, &[b"more", b"most"])].concat();
    bytes[HEADER + 5 + HEADER] ^= 1;
    // Also where the frames are longer than the reader's buffer.
    for size in [1, 4, 5, 100] {
        let mut io = heard(&bytes);
        let mut text = Vec::new();
        let mut buf = vec![0; size];
        let error = loop {
            match io.read(&mut buf).await {
                Ok(count) => text.extend_from_slice(&buf[..count]),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(text, HELLO);
        assert!(buf.iter().all(|byte| HELLO.contains(byte) || *byte == 0));
        for _ in 0..3 {
            let again = io.read(&mut buf).await.unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::InvalidData);
        }
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_at_its_header() {
    // From `boxstream-own.json`: a header that announces 65,535 bytes, and nothing behind it.
    let header =
        hex::decode("a1c21d3f0e612ecc3f5d1c1b75d1eebf90bc66b504591fdfb949bc9b55026e626062")
            .unwrap();
    let wire = Wire::new();
    wire.arrive(header);
    let secret = hex::decode("d6d77f34a7be58243e76eb54d409c1a881bafe077a67376779fca6c5dedc2e93");
    let nonce = hex::decode("67269df28efbdad434aed4a2e8ccd4cf38ec1c750e8f2838");
    let receiving = BoxKey::new(
        &secret.unwrap().try_into().unwrap(),
        nonce.unwrap().try_into().unwrap(),
    );
    let mut io = over(wire, key(&NEAR), receiving, true);
    let error = io.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn either_direction_ends_by_itself() {
    let (mut near, mut far) = pair(1000);
    near.write_all(HELLO).await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = Vec::new();
    far.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, HELLO);
    for _ in 0..3 {
        far.write_all(b"still here").await.unwrap();
        let mut buf = [0; 10];
        near.read_exact(&mut buf).await.unwrap();
    }
    far.shutdown().await.unwrap();
    assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn either_direction_ends_by_itself_over_a_transport_without_half_close() {
    let (a, b) = tokio::io::duplex(1000);
    let (mut near, mut far) = (near(a, false), far(b, false));
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);
    far.write_all(b"still here").await.unwrap();
    let mut buf = [0; 10];
    near.read_exact(&mut buf).await.unwrap();
    far.shutdown().await.unwrap();
    assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_goodbye_is_said_once_and_nothing_behind_it() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
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
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    io.flush().await.unwrap();
    assert_eq!(wire.written().len(), HEADER + 5 + HEADER);
    let mut opener = Opener::new(key(&NEAR));
    let opened = opener.open(&wire.written(), &mut [0; 9]).unwrap();
    assert_eq!((opened.written, opener.end()), (5, Ok(())));
    assert_eq!(wire.state().shutdowns, 1);
}

#[test]
fn an_end_waits_for_what_was_said_before_it() {
    let wire = Wire::new();
    wire.make_room(10);
    let mut io = near(wire.clone(), true);
    // A full batch is behind, and the goodbye has its place still.
    assert_ready_ok!(task::spawn(io.write(&[3; 100_000])).poll());
    let mut shutdown = task::spawn(io.shutdown());
    assert_pending!(shutdown.poll());
    assert_eq!(wire.state().shutdowns, 0);
    wire.make_room(20_000);
    assert!(shutdown.is_woken());
    assert_pending!(shutdown.poll());
    drop(shutdown);
    let late = assert_ready!(task::spawn(io.write(b"late")).poll());
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    wire.make_room(usize::MAX);
    assert_ready_ok!(task::spawn(io.shutdown()).poll());
    assert_eq!(wire.state().shutdowns, 1);
    assert_eq!(wire.written().len(), 16 * (HEADER + BODY_MAX) + HEADER);
}

#[tokio::test]
async fn a_transport_with_half_close_is_shut_down_with_our_direction() {
    let wire = Wire::new();
    let mut io = near(wire.clone(), true);
    io.shutdown().await.unwrap();
    assert_eq!(wire.flushes_and_shutdowns(), (1, 1));
}

#[tokio::test]
async fn another_transport_is_shut_down_when_both_directions_have_ended() {
    let goodbye = stream(&[]).1.goodbye();

    let wire = Wire::new();
    let mut io = near(wire.clone(), false);
    io.shutdown().await.unwrap();
    assert_eq!(wire.flushes_and_shutdowns(), (1, 0));
    wire.arrive(goodbye);
    for _ in 0..3 {
        assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(wire.state().shutdowns, 1);
    }

    let wire = Wire::new();
    let mut io = near(wire.clone(), false);
    wire.arrive(goodbye);
    assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 0);
    io.write_all(HELLO).await.unwrap();
    assert_eq!(wire.state().shutdowns, 0);
    io.shutdown().await.unwrap();
    assert_eq!(wire.state().shutdowns, 1);

    let wire = Wire::new();
    let mut io = near(wire.clone(), false);
    wire.end();
    io.read(&mut [0; 9]).await.unwrap_err();
    io.shutdown().await.unwrap();
    assert_eq!(
        wire.state().shutdowns,
        1,
        "a direction that failed has ended too"
    );
}

#[tokio::test]
async fn a_drop_without_an_end_says_no_goodbye() {
    let (mut near, mut far) = pair(1000);
    near.write_all(HELLO).await.unwrap();
    drop(near);
    let mut text = Vec::new();
    let error = far.read_to_end(&mut text).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(text, HELLO);
}
