//! Frames that a peer may not send, that do not fit, and that are cut.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::AsyncWriteExt as _;
use tower_multiserver::ragep2p::{
    Limits, MAX_CONTROL_FRAMES, MAX_MESSAGE_LEN, MAX_NAME_LEN, Version,
};

use super::support::*;
use crate::lab::{VERSIONS, id, recv, wide};

/// The longest message of the stream `test`.
const MAX: usize = 1000;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It goes on, and nothing of the attack was let in.
    Kept,
    Closed,
}
use Fate::{Closed, Kept};

async fn target(version: Version) -> Target {
    let limits = Limits {
        max_message: MAX,
        ..wide()
    };
    Target::with(version, limits).await
}

/// Says this, and a message after it.
async fn fate(version: Version, attack: &[u8]) -> Fate {
    let mut target = target(version).await;
    let mut attacker = target.attacker().await;
    let all = [&open("test"), attack, &data("test", "next")].concat();
    let said = attacker.write(all).await;
    let fate = tokio::select! {
        heard = recv(&mut target.stream) => {
            assert_eq!(heard, b"next");
            Kept
        }
        _ = attacker.ended() => Closed,
    };
    match fate {
        Kept => assert!(said && attacker.is_up().await),
        Closed => {
            // Streams survive it.
            let mut attacker = target.attacker().await;
            attacker.write(data("test", "later")).await;
            target.hears("later").await;
        }
    }
    target.good.round_trip().await;
    fate
}

/// A request or response: behind the header a request's id, which the length does not count.
fn with_id(kind: u8, payload: &[u8]) -> Vec<u8> {
    let whole = frame(kind, b"test", payload);
    [&whole[..37], &[7; 32], payload].concat()
}

/// So many frames that open and close.
fn control(count: u32) -> Vec<u8> {
    let pair = [open("other"), frame(CLOSE, b"other", b"")];
    let frames = pair.iter().cycle().take(count as usize);
    frames.flatten().copied().collect()
}

#[tokio::test]
async fn what_may_not_be_said_ends_the_connection_and_the_rest_is_passed_over() {
    let gib = MAX_MESSAGE_LEN as u32;
    let long = [b'x'; MAX_NAME_LEN + 1];
    let too_long = |kind| [header(kind, b"test", gib + 1), vec![0; 32]].concat();
    // The stream was opened once before these.
    let most = MAX_CONTROL_FRAMES - 1;
    for (what, attack, v1, v2) in [
        ("type 0", header(0, b"test", 0), Closed, Closed),
        ("type 6", header(6, b"test", 0), Closed, Closed),
        ("type 255", header(255, b"test", 0), Closed, Closed),
        ("a request", with_id(REQUEST, b"?"), Closed, Kept),
        ("an unasked response", with_id(RESPONSE, b"!"), Closed, Kept),
        ("no name", frame(OPEN, b"", b""), Closed, Kept),
        (
            "a name of 256 bytes",
            frame(OPEN, &long[1..], &long[1..]),
            Kept,
            Kept,
        ),
        (
            "a name of 257 bytes",
            frame(OPEN, &long, &long),
            Closed,
            Closed,
        ),
        (
            "a name of 4 GiB",
            header(OPEN, b"x", u32::MAX),
            Closed,
            Closed,
        ),
        (
            "a name that is no text",
            frame(OPEN, b"\xff\xfe", b"\xff\xfe"),
            Kept,
            Kept,
        ),
        ("a false name", frame(OPEN, b"test", b"other"), Kept, Kept),
        ("a stream that we have not", open("other"), Kept, Kept),
        ("open again", open("test"), Kept, Kept),
        ("not open", frame(CLOSE, b"other", b""), Kept, Kept),
        (
            "closed with a payload",
            frame(CLOSE, b"test", b"!"),
            Closed,
            Closed,
        ),
        ("opened and closed 4000 times", control(most), Kept, Kept),
        (
            "opened and closed 4001 times",
            control(most + 1),
            Closed,
            Closed,
        ),
        ("on no stream", data("other", "lost"), Kept, Kept),
        (
            "longer than the stream's longest",
            data("test", [0; MAX + 1]),
            Closed,
            Kept,
        ),
        (
            "a message of 1 GiB and a byte",
            too_long(MESSAGE),
            Closed,
            Closed,
        ),
        ("a request of that", too_long(REQUEST), Closed, Closed),
        ("a response of that", too_long(RESPONSE), Closed, Closed),
        (
            "a message of 4 GiB",
            header(MESSAGE, b"test", u32::MAX),
            Closed,
            Closed,
        ),
        (
            "the same on no stream",
            header(MESSAGE, b"other", u32::MAX),
            Closed,
            Closed,
        ),
    ] {
        for (version, expected) in VERSIONS.into_iter().zip([v1, v2]) {
            let fate = fate(version, &attack).await;
            assert_eq!(fate, expected, "{what}, {version:?}");
        }
    }
}

#[tokio::test]
async fn a_message_needs_no_open_stream_at_its_sender() {
    for version in VERSIONS {
        let mut target = target(version).await;
        let mut attacker = target.attacker().await;
        attacker.write(data("test", "before")).await;
        attacker.write(open("test")).await;
        attacker.write(data("test", [b'x'; MAX])).await;
        attacker.write(frame(CLOSE, b"test", b"")).await;
        attacker.write(data("test", "after")).await;
        target.hears("before").await;
        target.hears(&"x".repeat(MAX)).await;
        target.hears("after").await;
    }
}

/// The next message, whatever else was said before.
async fn next_message(attacker: &mut Attacker) -> String {
    loop {
        let (kind, _, payload) = attacker.read().await.expect("the connection is up");
        if kind == MESSAGE {
            break String::from_utf8(payload).unwrap();
        }
    }
}

#[tokio::test]
async fn messages_go_out_only_while_the_peer_has_the_stream_open() {
    for version in VERSIONS {
        let mut target = target(version).await;
        let other = target.host.stream(id(MALLORY), "other").open().unwrap();
        let mut attacker = target.attacker().await;
        let _ = target.stream.send("one").unwrap();
        attacker.write(open("other")).await;
        for message in ["first", "second"] {
            let _ = other.send(message).unwrap();
            assert_eq!(next_message(&mut attacker).await, message);
        }
        // By any name: it is the id that counts.
        attacker.write(frame(OPEN, b"test", b"no such")).await;
        assert_eq!(next_message(&mut attacker).await, "one");
        attacker.write(frame(CLOSE, b"test", b"")).await;
        attacker.write(data("test", "closed")).await;
        target.hears("closed").await;
        let _ = target.stream.send("two").unwrap();
        for message in ["third", "fourth"] {
            let _ = other.send(message).unwrap();
            assert_eq!(next_message(&mut attacker).await, message);
        }
        attacker.write(open("test")).await;
        assert_eq!(next_message(&mut attacker).await, "two");
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// Of TCP alone.
    Fin,
    /// Of TLS alone.
    CloseNotify,
    Reset,
}

impl End {
    async fn of(self, mut attacker: Attacker) {
        match self {
            Self::Fin => attacker.0.get_mut().0.shutdown().await.unwrap(),
            Self::CloseNotify => {
                attacker.0.get_mut().1.send_close_notify();
                attacker.0.flush().await.unwrap();
            }
            Self::Reset => {
                let socket = socket2::SockRef::from(attacker.0.get_ref().0);
                return socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        // The host does not keep its half.
        attacker.ended().await;
    }
}

#[tokio::test]
async fn what_is_cut_is_not_delivered_and_the_stream_goes_on() {
    let whole = data("test", "cut in two");
    for version in VERSIONS {
        for end in [End::Fin, End::CloseNotify, End::Reset] {
            // In the header, before the payload, in it, and nothing at all.
            for cut in [20, 37, 40, 0] {
                let mut target = target(version).await;
                let mut attacker = target.attacker().await;
                attacker.write(open("test")).await;
                attacker.write(data("test", "first")).await;
                attacker.write(&whole[..cut]).await;
                target.hears("first").await;
                end.of(attacker).await;
                let mut attacker = target.attacker().await;
                attacker.write(open("test")).await;
                attacker.write(data("test", "next")).await;
                target.hears("next").await;
                let _ = target.stream.send("answer").unwrap();
                assert_eq!(next_message(&mut attacker).await, "answer");
                assert!(target.stream.recv().now_or_never().is_none(), "{end:?}");
                target.good.round_trip().await;
            }
        }
    }
}
