//! What ends a connection: the same to us and to Go.

use tower_multiserver::ragep2p::Version;

use super::{
    raw::{CLOSE, DATA, OPEN, REQUEST, RESPONSE, Raw, frame},
    victim::{MAX, Victim, limits, survives},
};

/// What somebody says after the handshake, and whom it makes end the connection.
struct Attack {
    name: &'static str,
    says: fn(&Raw) -> Vec<u8>,
    ends_v1: bool,
    ends_new: bool,
}

/// A frame that announces more than comes is followed by as much as is needed where the connection stays.
const ATTACKS: &[Attack] = &[
    attack("nothing", |_| vec![], false, false),
    attack("type 0", |_| frame(0, [7; 32], 0, &[]), true, true),
    attack("type 6", |_| frame(6, [7; 32], 0, &[]), true, true),
    attack("type 255", |_| frame(255, [7; 32], 0, &[]), true, true),
    attack("a request", |raw| asked(raw, REQUEST), true, false),
    attack(
        "a response that nobody asked for",
        |raw| asked(raw, RESPONSE),
        true,
        false,
    ),
    attack("no name", |raw| raw.open(b""), true, false),
    attack(
        "the longest name",
        |raw| raw.open(&[b'n'; 256]),
        false,
        false,
    ),
    attack("too long a name", |raw| raw.open(&[b'n'; 257]), true, true),
    attack(
        "another's name",
        |_| frame(OPEN, [7; 32], 1, b"n"),
        false,
        false,
    ),
    attack(
        "a name that is no text",
        |raw| raw.open(&[0xff, 0]),
        false,
        false,
    ),
    attack(
        "a close with payload",
        |raw| frame(CLOSE, raw.stream(b"echo"), 1, b"x"),
        true,
        true,
    ),
    attack(
        "a close of what was not opened",
        |_| frame(CLOSE, [7; 32], 0, &[]),
        false,
        false,
    ),
    // One more opens the stream that tells how it ended.
    attack(
        "4000 opened and closed",
        |raw| opened_and_closed(raw, 3999),
        false,
        false,
    ),
    attack(
        "4001 opened and closed",
        |raw| opened_and_closed(raw, 4000),
        true,
        true,
    ),
    attack(
        "the longest message",
        |raw| raw.data(b"echo", &[1; MAX as usize]),
        false,
        false,
    ),
    attack(
        "too long a message",
        |raw| raw.data(b"echo", &[1; MAX as usize + 1]),
        true,
        false,
    ),
    attack(
        "more than 1 GiB",
        |raw| frame(DATA, raw.stream(b"echo"), (1 << 30) + 1, &[]),
        true,
        true,
    ),
    attack(
        "more than 1 GiB on no stream",
        |_| frame(DATA, [7; 32], u32::MAX, &[]),
        true,
        true,
    ),
    attack(
        "a message on no stream",
        |_| frame(DATA, [7; 32], 3, b"abc"),
        false,
        false,
    ),
    attack(
        "a message before it opens the stream",
        |raw| raw.data(b"echo", b"early"),
        false,
        false,
    ),
    attack(
        "a message after it closed the stream",
        |raw| {
            let close = frame(CLOSE, raw.stream(b"echo"), 0, &[]);
            [raw.open(b"echo"), close, raw.data(b"echo", b"late")].concat()
        },
        false,
        false,
    ),
];

const fn attack(
    name: &'static str,
    says: fn(&Raw) -> Vec<u8>,
    ends_v1: bool,
    ends_new: bool,
) -> Attack {
    Attack {
        name,
        says,
        ends_v1,
        ends_new,
    }
}

fn asked(raw: &Raw, kind: u8) -> Vec<u8> {
    // The id of the request goes before the payload.
    frame(
        kind,
        raw.stream(b"other"),
        3,
        &[&[9; 32], &b"abc"[..]].concat(),
    )
}

fn opened_and_closed(raw: &Raw, count: usize) -> Vec<u8> {
    let frames = [raw.open(b"n"), frame(CLOSE, raw.stream(b"n"), 0, &[])];
    frames
        .iter()
        .cycle()
        .take(count)
        .flatten()
        .copied()
        .collect()
}

async fn react(victim: Victim, is_v1: bool) {
    for attack in ATTACKS {
        let mut raw = victim.attacked().await;
        let said = (attack.says)(&raw);
        let ends = if is_v1 {
            attack.ends_v1
        } else {
            attack.ends_new
        };
        let survived = survives(&mut raw, &said).await;
        assert_eq!(survived, !ends, "{victim} after {}", attack.name);
    }
}

#[tokio::test]
async fn we_and_v1_end_a_connection_for_the_same_reasons() {
    react(Victim::ours(Version::V1, limits()).await, true).await;
    if let Some(victim) = Victim::go("v1", limits()).await {
        react(victim, true).await;
    }
}

#[tokio::test]
async fn we_as_v2_and_new_end_a_connection_for_the_same_reasons() {
    react(Victim::ours(Version::V2, limits()).await, false).await;
    if let Some(victim) = Victim::go("new", limits()).await {
        react(victim, false).await;
    }
}
