mod events;

use std::num::NonZeroUsize;

use tokio::time::Duration;
use tokio_test::{assert_pending, assert_ready, task};

use super::{inbox::Skipped, *};
use crate::ragep2p::RateLimit;

const ONE: StreamId = StreamId::from_bytes([1; 32]);
const TWO: StreamId = StreamId::from_bytes([2; 32]);
const VERSIONS: [Version; 2] = [Version::V1, Version::V2];
const WIDE: RateLimit = RateLimit::new(1e6, 1 << 30);

fn limits() -> ValidLimits {
    ValidLimits {
        outgoing: NonZeroUsize::new(4).unwrap(),
        incoming: NonZeroUsize::new(4).unwrap(),
        max_message: 100,
        messages: WIDE,
        bytes: WIDE,
    }
}

fn open_with(mux: &mut Mux, id: StreamId, limits: ValidLimits) {
    let opened = mux.open(id, "name".into(), Priority::Default, limits, Instant::now());
    opened.unwrap();
}

fn open(mux: &mut Mux, id: StreamId) {
    open_with(mux, id, limits());
}

/// With the stream [`ONE`], on a connection, of which the peer has been told.
fn connected(version: Version) -> Mux {
    let mut mux = Mux::new(version);
    open(&mut mux, ONE);
    mux.connected();
    assert_eq!(told(&mut mux), [(FrameType::Open, ONE)]);
    mux
}

/// All that is written now.
fn told(mux: &mut Mux) -> Vec<(FrameType, StreamId)> {
    let now = Instant::now();
    let frames = std::iter::from_fn(|| mux.next_frame(now));
    let mut told: Vec<_> = frames
        .map(|frame| (frame.header.frame, frame.header.stream))
        .collect();
    told.sort_by_key(|(frame, id)| (*frame as u8, *id));
    told
}

/// The payloads that are written now.
fn written(mux: &mut Mux) -> Vec<Bytes> {
    let now = Instant::now();
    let frames = std::iter::from_fn(|| mux.next_frame(now));
    frames
        .filter(|frame| frame.header.frame == FrameType::Message)
        .map(|frame| frame.payload)
        .collect()
}

fn judged(
    mux: &mut Mux,
    frame: FrameType,
    stream: StreamId,
    len: usize,
) -> Result<Verdict, Violation> {
    let len = len as u32;
    let header = Header { frame, stream, len };
    mux.judge(&header, Some(&[0; 32]), Instant::now())
}

fn say(mux: &mut Mux, id: StreamId, message: &'static str) -> Result<Sent, SendError> {
    mux.send(&id, Outbound::Message(message.into()))
}

/// Says something for which there is room.
fn queue(mux: &mut Mux, id: StreamId, message: &'static str) {
    assert_eq!(say(mux, id, message), Ok(Sent::Queued));
}

#[test]
fn the_peer_is_told_of_what_is_opened_and_closed() {
    let mut mux = connected(Version::V1);
    open(&mut mux, TWO);
    assert_eq!(told(&mut mux), [(FrameType::Open, TWO)]);
    mux.close(&TWO);
    assert_eq!(told(&mut mux), [(FrameType::Close, TWO)]);
    assert_eq!(told(&mut mux), []);
    let name = mux.open(ONE, "x".into(), Priority::Low, limits(), Instant::now());
    assert_eq!(name, Err(OpenError::Exists));
}

#[test]
fn the_peer_is_told_of_the_latest_alone() {
    let mut mux = connected(Version::V1);
    for _ in 0..3 {
        open(&mut mux, TWO);
        mux.close(&TWO);
    }
    assert_eq!(told(&mut mux), [(FrameType::Close, TWO)]);
    open(&mut mux, TWO);
    mux.close(&TWO);
    open(&mut mux, TWO);
    assert_eq!(told(&mut mux), [(FrameType::Open, TWO)]);
}

#[test]
fn nobody_is_told_of_what_happens_without_a_connection_or_at_its_end() {
    let mut mux = Mux::new(Version::V1);
    open(&mut mux, ONE);
    open(&mut mux, TWO);
    mux.close(&TWO);
    mux.repeat_opens();
    assert_eq!(told(&mut mux), []);
    mux.connected();
    assert_eq!(told(&mut mux), [(FrameType::Open, ONE)]);
    mux.close(&ONE);
    assert!(mux.is_empty());
    assert_eq!(told(&mut mux), []);
}

#[test]
fn a_new_connection_starts_from_nothing() {
    let mut mux = connected(Version::V1);
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    queue(&mut mux, ONE, "first");
    assert_eq!(written(&mut mux), ["first"]);
    mux.disconnected();
    assert!(!mux.is_connected());
    queue(&mut mux, ONE, "kept");
    assert_eq!(told(&mut mux), []);
    mux.connected();
    // What the peer opened before counts no longer.
    assert_eq!(told(&mut mux), [(FrameType::Open, ONE)]);
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    assert_eq!(written(&mut mux), ["kept"]);
}

#[test]
fn messages_go_while_the_peer_has_the_stream_open() {
    let mut mux = connected(Version::V1);
    queue(&mut mux, ONE, "one");
    assert_eq!(written(&mut mux), [""; 0]);
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    queue(&mut mux, ONE, "two");
    assert_eq!(written(&mut mux), ["one", "two"]);
    queue(&mut mux, ONE, "three");
    judged(&mut mux, FrameType::Close, ONE, 0).unwrap();
    assert_eq!(written(&mut mux), [""; 0]);
}

#[test]
fn what_the_peer_opened_first_is_open_when_we_open_it() {
    let mut mux = connected(Version::V1);
    judged(&mut mux, FrameType::Open, TWO, 4).unwrap();
    open(&mut mux, TWO);
    assert_eq!(told(&mut mux), [(FrameType::Open, TWO)]);
    queue(&mut mux, TWO, "at once");
    assert_eq!(written(&mut mux), ["at once"]);
    // And when we open it again.
    mux.close(&TWO);
    open(&mut mux, TWO);
    queue(&mut mux, TWO, "again");
    assert_eq!(written(&mut mux), ["again"]);
}

#[test]
fn streams_are_opened_a_second_time_unless_they_are_too_many() {
    let mut mux = Mux::new(Version::V1);
    let id = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        StreamId::from_bytes(id)
    };
    for number in 0..MAX_REPEATED {
        open(&mut mux, id(number));
    }
    mux.connected();
    assert_eq!(told(&mut mux).len(), MAX_REPEATED);
    mux.repeat_opens();
    assert_eq!(told(&mut mux).len(), MAX_REPEATED);
    open(&mut mux, id(MAX_REPEATED));
    assert_eq!(told(&mut mux).len(), 1);
    mux.repeat_opens();
    assert_eq!(told(&mut mux).len(), 0);
    for number in MAX_REPEATED + 1..MAX_STREAMS {
        open(&mut mux, id(number));
    }
    let one_more = mux.open(ONE, "x".into(), Priority::Low, limits(), Instant::now());
    assert_eq!(one_more, Err(OpenError::TooManyStreams));
}

#[test]
fn the_oldest_goes_where_there_is_no_room() {
    let mut mux = connected(Version::V1);
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    for message in ["1", "2", "3", "4"] {
        assert_eq!(say(&mut mux, ONE, message), Ok(Sent::Queued));
        assert!(!mux.deliver(&ONE, Inbound::Message(message.into())));
    }
    assert_eq!(say(&mut mux, ONE, "5"), Ok(Sent::Evicted));
    assert!(mux.deliver(&ONE, Inbound::Message("5".into())));
    let fewer = ValidLimits {
        outgoing: NonZeroUsize::new(3).unwrap(),
        incoming: NonZeroUsize::new(2).unwrap(),
        ..limits()
    };
    assert!(mux.update(&ONE, fewer, Instant::now()));
    assert!(!mux.update(&TWO, fewer, Instant::now()));
    assert_eq!(written(&mut mux), ["3", "4", "5"]);
    let mut reader = task::spawn(());
    for message in ["4", "5"] {
        let next = reader.enter(|cx, _| mux.poll_receive(&ONE, cx));
        assert_eq!(assert_ready!(next), Some(Inbound::Message(message.into())));
    }
    assert_pending!(reader.enter(|cx, _| mux.poll_receive(&ONE, cx)));
    assert!(!mux.deliver(&ONE, Inbound::Message("6".into())));
    assert!(reader.is_woken());
    // Nobody has the other.
    assert!(!mux.deliver(&TWO, Inbound::Message("lost".into())));
}

#[test]
fn who_waits_is_woken_by_room_and_by_the_end() {
    let mut mux = connected(Version::V1);
    for message in ["1", "2", "3", "4"] {
        queue(&mut mux, ONE, message);
    }
    let mut writer = task::spawn(());
    assert_pending!(writer.enter(|cx, _| mux.poll_room(&ONE, cx)));
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    mux.next_frame(Instant::now());
    assert!(writer.is_woken());
    assert_eq!(
        assert_ready!(writer.enter(|cx, _| mux.poll_room(&ONE, cx))),
        Ok(())
    );
    assert_pending!(writer.enter(|cx, _| mux.poll_flushed(&ONE, cx)));
    let mut reader = task::spawn(());
    assert_pending!(reader.enter(|cx, _| mux.poll_receive(&ONE, cx)));
    mux.close_all();
    assert!(writer.is_woken() && reader.is_woken());
    let flushed = writer.enter(|cx, _| mux.poll_flushed(&ONE, cx));
    assert_eq!(assert_ready!(flushed), Err(SendError::Closed));
    let next = reader.enter(|cx, _| mux.poll_receive(&ONE, cx));
    assert_eq!(assert_ready!(next), None);
    assert_eq!(say(&mut mux, ONE, "late"), Err(SendError::Closed));
}

#[test]
fn each_frame_is_judged_as_the_version_has_it() {
    use FrameType::{Close, Message, Open, Request, Response};
    let skip = |reason| Ok(Verdict::Skip(reason));
    let over = |len| Err(Violation::MessageOverLimit { len, max: 100 });
    let gib = MAX_MESSAGE_LEN;
    let too_long = Err(Violation::MessageTooLong(gib as u32 + 1));
    for (frame, stream, len, v1, v2) in [
        (Open, ONE, 0, Err(Violation::EmptyName), Ok(Verdict::Name)),
        (Open, ONE, 1, Ok(Verdict::Name), Ok(Verdict::Name)),
        (Open, TWO, 256, Ok(Verdict::Name), Ok(Verdict::Name)),
        (
            Open,
            ONE,
            257,
            Err(Violation::NameTooLong(257)),
            Err(Violation::NameTooLong(257)),
        ),
        (Close, ONE, 0, Ok(Verdict::Done), Ok(Verdict::Done)),
        (Close, TWO, 0, Ok(Verdict::Done), Ok(Verdict::Done)),
        (
            Close,
            ONE,
            1,
            Err(Violation::CloseWithPayload(1)),
            Err(Violation::CloseWithPayload(1)),
        ),
        (Message, ONE, 0, Ok(Verdict::Take), Ok(Verdict::Take)),
        (Message, ONE, 100, Ok(Verdict::Take), Ok(Verdict::Take)),
        (Message, ONE, 101, over(101), skip(Skipped::OverLimit)),
        (Request, ONE, 101, over(101), skip(Skipped::OverLimit)),
        (
            Message,
            TWO,
            gib,
            skip(Skipped::UnknownStream),
            skip(Skipped::UnknownStream),
        ),
        (Message, TWO, gib + 1, too_long, too_long),
        (Message, ONE, gib + 1, too_long, too_long),
        (Request, ONE, gib + 1, too_long, too_long),
        (Response, ONE, gib + 1, too_long, too_long),
        (
            Response,
            ONE,
            gib,
            skip(Skipped::NotAsked),
            skip(Skipped::NotAsked),
        ),
    ] {
        for (version, expected) in VERSIONS.into_iter().zip([v1, v2]) {
            let mut mux = connected(version);
            let verdict = judged(&mut mux, frame, stream, len);
            assert_eq!(verdict, expected, "{frame:?} of {len}, {version:?}");
        }
    }
}

#[test]
fn streams_are_opened_and_closed_so_often_on_a_connection_and_no_more() {
    let mut mux = connected(Version::V1);
    for _ in 0..2 {
        for _ in 0..MAX_CONTROL_FRAMES / 2 {
            judged(&mut mux, FrameType::Open, TWO, 4).unwrap();
            judged(&mut mux, FrameType::Close, TWO, 0).unwrap();
        }
        for frame in [FrameType::Open, FrameType::Close] {
            let verdict = judged(&mut mux, frame, TWO, 0);
            assert_eq!(verdict, Err(Violation::TooManyControlFrames));
        }
        mux.connected();
    }
}

#[test]
fn both_rates_are_charged_and_twice_the_rate_starves() {
    let start = Instant::now();
    let mut mux = Mux::new(Version::V2);
    let slow = ValidLimits {
        messages: RateLimit::new(10.0, 2),
        bytes: RateLimit::new(0.0, 30),
        ..limits()
    };
    mux.open(ONE, "x".into(), Priority::Low, slow, start)
        .unwrap();
    let mut judge = |len, millis| {
        let (frame, stream) = (FrameType::Message, ONE);
        let header = Header { frame, stream, len };
        let now = start + Duration::from_millis(millis);
        mux.judge(&header, None, now).unwrap()
    };
    assert_eq!(judge(10, 0), Verdict::Take);
    assert_eq!(judge(10, 0), Verdict::Take);
    let refused = Verdict::Skip(Skipped::OverRate);
    // The bytes count though the message is refused.
    assert_eq!(judge(4, 50), refused);
    for number in 2..100 {
        assert_eq!(judge(0, 50 * number), refused);
    }
    assert_eq!(judge(4, 10_000), Verdict::Take);
    assert_eq!(judge(3, 20_000), refused);
    // The last two are gone with it.
    assert_eq!(judge(1, 30_000), refused);
    // The message counts though its bytes are refused.
    assert_eq!(judge(0, 40_000), Verdict::Take);
    assert_eq!(judge(1, 40_000), refused);
    assert_eq!(judge(0, 40_000), refused);
}

#[test]
fn a_response_is_let_in_once_where_it_was_asked_for() {
    let mut mux = connected(Version::V2);
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    let now = Instant::now();
    let ask = |mux: &mut Mux| {
        let policy = ResponsePolicy::once(1000, now + Duration::from_secs(1));
        let _ = mux.send(&ONE, Outbound::Request("?".into(), policy));
        mux.next_frame(now).unwrap().request.unwrap()
    };
    let judge = |mux: &mut Mux, stream, len, id| {
        let frame = FrameType::Response;
        mux.judge(&Header { frame, stream, len }, Some(&id), now)
    };
    let (first, second) = (ask(&mut mux), ask(&mut mux));
    assert_ne!(first, second);
    let not_asked = Ok(Verdict::Skip(Skipped::NotAsked));
    assert_eq!(judge(&mut mux, TWO, 1, first), not_asked);
    // Longer than messages may be.
    assert_eq!(judge(&mut mux, ONE, 1000, first), Ok(Verdict::Take));
    assert_eq!(judge(&mut mux, ONE, 1, first), not_asked);
    // It survives a connection, but not its stream.
    mux.connected();
    assert_eq!(judge(&mut mux, ONE, 1, second), Ok(Verdict::Take));
    judged(&mut mux, FrameType::Open, ONE, 4).unwrap();
    told(&mut mux);
    let third = ask(&mut mux);
    mux.close(&ONE);
    open(&mut mux, ONE);
    assert_eq!(judge(&mut mux, ONE, 1, third), not_asked);
}
