use std::num::NonZeroUsize;

use proptest::{collection::vec, prelude::*};
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex, sink};

use super::*;
use crate::{
    Section,
    ragep2p::{RateLimit, limits::ValidLimits, vectors},
};

fn peer(version: Version) -> Peer {
    let rate = RateLimit::new(1e6, 1 << 20);
    let peer = Peer::new(vectors::alice(), vectors::bob(), version, rate);
    let limits = ValidLimits {
        outgoing: NonZeroUsize::new(4).unwrap(),
        incoming: NonZeroUsize::new(4).unwrap(),
        max_message: 1000,
        messages: rate,
        bytes: rate,
    };
    let open = |mux: &mut crate::ragep2p::mux::Mux| {
        let name = "test".into();
        mux.open(stream(), name, Default::default(), limits, Instant::now())
    };
    peer.open(stream(), open, limits).unwrap();
    peer.mux().connected();
    peer
}

fn stream() -> StreamId {
    StreamId::new(&vectors::alice(), &vectors::bob(), "test")
}

/// Runs a connection, whose other end does this.
async fn running(
    peer: &Peer,
    cancel: &CancellationToken,
    other: impl AsyncFnOnce(DuplexStream),
) -> Ended {
    let (near, far) = duplex(100);
    let connection = Connection::new(near, Section::new("pipe")).boxed();
    let run = timeout(10 * WRITE_TIMEOUT, run(peer, connection, cancel));
    tokio::join!(run, other(far)).0.expect("it does not hang")
}

/// Says this in pieces of this length, listens, and hangs up.
async fn say(peer: &Peer, said: &[u8], piece: usize) -> Ended {
    let other = async |far: DuplexStream| {
        let (mut from, mut to) = split(far);
        let listen = async { tokio::io::copy(&mut from, &mut sink()).await };
        let talk = async {
            for piece in said.chunks(piece) {
                if to.write_all(piece).await.is_err() {
                    break;
                }
            }
            let _ = to.shutdown().await;
        };
        let _ = tokio::join!(listen, talk);
    };
    running(peer, &CancellationToken::new(), other).await
}

fn framed(kind: u8, is_ours: bool, len: u32, payload: &[u8]) -> Vec<u8> {
    let id = if is_ours {
        *stream().as_bytes()
    } else {
        [0; 32]
    };
    [&[kind][..], &id, &len.to_be_bytes(), payload].concat()
}

/// A frame, or what looks like one; or noise.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let whole = (1..6_u8, any::<bool>(), vec(any::<u8>(), 0..300));
    let whole = whole.prop_map(|(kind, is_ours, payload)| {
        let request = if kind > 3 { &[7; 32][..] } else { &[] };
        let payload_len = payload.len() as u32;
        framed(kind, is_ours, payload_len, &[request, &payload].concat())
    });
    let lying = (0..8_u8, any::<bool>(), any::<u32>());
    prop_oneof![
        8 => whole,
        1 => lying.prop_map(|(kind, is_ours, len)| framed(kind, is_ours, len, &[])),
        1 => vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_a_peer_says_the_connection_ends_with_it(
        said in vec(noise(), 0..30),
        piece in 1..200_usize,
        is_v2: bool,
    ) {
        let version = if is_v2 { Version::V2 } else { Version::V1 };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        let ended = runtime.block_on(say(&peer(version), &said.concat(), piece));
        prop_assert!(!matches!(ended, Ended::Here), "{ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_rules_is_told_apart_from_what_breaks() {
    let peer = peer(Version::V1);
    let ended = say(&peer, &framed(9, true, 0, &[]), 100).await;
    let violated = matches!(ended, Ended::Violated(Violation::UnknownFrame(9)));
    assert!(violated, "{ended}");
    let ended = say(&peer, &framed(3, true, 10, b"half"), 3).await;
    let broken =
        matches!(&ended, Ended::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof);
    assert!(broken, "{ended}");
    // Not even what came of it.
    let mut reader = tokio_test::task::spawn(());
    let received = reader.enter(|cx, _| peer.mux().poll_receive(&stream(), cx));
    assert!(received.is_pending(), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_cut_off_after_five_seconds() {
    let peer = peer(Version::V1);
    let start = Instant::now();
    let open = framed(1, true, 4, b"test");
    let other = async |mut far: DuplexStream| {
        far.write_all(&open).await.unwrap();
        for _ in 0..4 {
            let message = crate::ragep2p::mux::Outbound::Message(vec![0; 900].into());
            let _ = peer.mux().send(&stream(), message).unwrap();
        }
        peer.work.notify_one();
        // Until it is closed from the other side, which is no matter of reading.
        while far.write_all(&open).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = running(&peer, &CancellationToken::new(), other).await;
    let timed_out =
        matches!(&ended, Ended::Broken(error) if error.kind() == io::ErrorKind::TimedOut);
    assert!(timed_out, "{ended}");
    let (five, elapsed) = (Duration::from_secs(5), start.elapsed());
    assert!(
        (five..five + REPEAT_AFTER).contains(&elapsed),
        "{elapsed:?}"
    );
}

/// Streams are opened once more after a moment, and then not again.
#[tokio::test(start_paused = true)]
async fn streams_are_opened_twice() {
    let peer = peer(Version::V1);
    let cancel = CancellationToken::new();
    let expected = framed(1, true, 4, b"test");
    let other = async |mut far: DuplexStream| {
        let start = Instant::now();
        for after in [Duration::ZERO, REPEAT_AFTER] {
            let mut heard = vec![0; expected.len()];
            far.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, expected);
            let late = start.elapsed() - after;
            assert!(late < Duration::from_millis(5), "{late:?}");
        }
        let more = timeout(100 * REPEAT_AFTER, far.read_u8()).await;
        assert!(more.is_err(), "{more:?}");
        cancel.cancel();
        assert!(far.read_u8().await.is_err());
    };
    let ended = running(&peer, &cancel, other).await;
    assert!(matches!(ended, Ended::Here), "{ended}");
}
