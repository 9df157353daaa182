use proptest::prelude::*;

use super::*;
use crate::peer_socket::mux;

const ID: [u8; 32] = [7; 32];

fn mux() -> Mux {
    Mux::new("peersocket/1")
}

/// All that `mux` makes of a frame.
fn events(mux: &mut Mux, frame: Bytes) -> Result<Vec<Event>, Malformed> {
    mux.receive(frame);
    std::iter::from_fn(|| mux.next_event().transpose()).collect()
}

fn text(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

/// Two ends with one open channel of number one each.
fn pair() -> (Mux, Mux) {
    let (mut a, mut b) = (mux(), mux());
    let (our, open) = a.open(ID, b"a").unwrap();
    let requested = Event::Requested {
        their: 1,
        id: ID,
        handshake: text(b"a"),
    };
    assert_eq!(events(&mut b, open), Ok(vec![requested]));
    let (_, open) = b.accept(1, ID, b"b").unwrap();
    let opened = Event::Opened {
        our,
        handshake: text(b"b"),
    };
    assert_eq!(events(&mut a, open), Ok(vec![opened]));
    (a, b)
}

fn message(payload: &'static [u8]) -> Event {
    Event::Message {
        our: 1,
        kind: 0,
        payload: text(payload),
    }
}

#[test]
fn frames_are_those_of_the_package() {
    // Printed by protomux 3.12.1: a channel of protocol `p`, whose id is 32 times `01`; a message; its close.
    let mut mux = Mux::new("p");
    let (our, open) = mux.open([1; 32], b"h").unwrap();
    let expected = [&b"\0\x01\x01\x01p\x20"[..], &[1; 32], b"h"].concat();
    assert_eq!(open, expected);
    assert_eq!(mux::message(our, 0, b"hi"), &b"\x01\0hi"[..]);
    assert_eq!(mux.close(our).unwrap(), &b"\0\x03\x01"[..]);
    mux.reject(5);
    assert_eq!(mux.next_frame().unwrap(), &b"\0\x02\x05"[..]);
}

#[test]
fn both_ends_may_open_at_once() {
    let (mut a, mut b) = (mux(), mux());
    let (_, from_a) = a.open(ID, b"a").unwrap();
    let (_, from_b) = b.open(ID, b"b").unwrap();
    let opened = |handshake| Event::Opened {
        our: 1,
        handshake: text(handshake),
    };
    assert_eq!(events(&mut a, from_b), Ok(vec![opened(b"b")]));
    assert_eq!(events(&mut b, from_a), Ok(vec![opened(b"a")]));
    let frame = mux::message(1, 0, b"hi");
    assert_eq!(events(&mut b, frame), Ok(vec![message(b"hi")]));
}

#[test]
fn a_batch_gives_its_messages_one_after_the_other() {
    let (_, mut b) = pair();
    // Two on channel one, one on a channel that is not open, one more on channel one.
    let batch = text(b"\0\0\x01\x03\0hi\x02\0!\0\x02\x02\0x\0\x01\x02\0?");
    let expected = [&b"hi"[..], b"!", b"?"].map(message);
    assert_eq!(events(&mut b, batch), Ok(expected.into()));
    // A control frame in a batch, and a batch in a batch.
    let closing = text(b"\0\0\0\x02\x03\x01");
    assert_eq!(events(&mut b, closing), Ok(vec![Event::Closed { our: 1 }]));
    let nested = text(b"\0\0\0\x02\0\x01");
    assert_eq!(events(&mut b, nested), Err(Malformed::Frame));
}

#[test]
fn a_closed_channel_is_closed_at_both_ends_and_may_be_opened_again() {
    let (mut a, mut b) = pair();
    let close = a.close(1).unwrap();
    assert_eq!(a.close(1), None);
    // What was on its way to it is dropped.
    assert_eq!(events(&mut a, mux::message(1, 0, b"late")), Ok(vec![]));
    assert_eq!(events(&mut b, close), Ok(vec![Event::Closed { our: 1 }]));
    assert_eq!(b.close(1), None);

    let (our, open) = a.open(ID, b"").unwrap();
    assert_eq!(our, 1);
    let events = events(&mut b, open).unwrap();
    assert!(matches!(events[..], [Event::Requested { their: 1, .. }]));
}

#[test]
fn both_ends_may_close_at_once() {
    let (mut a, mut b) = pair();
    let (from_a, from_b) = (a.close(1).unwrap(), b.close(1).unwrap());
    assert_eq!(events(&mut a, from_b), Ok(vec![]));
    assert_eq!(events(&mut b, from_a), Ok(vec![]));
    assert_eq!((a.ours, a.theirs), (b.ours, b.theirs));
}

#[test]
fn a_refused_channel_is_free_and_its_number_too() {
    let mut a = mux();
    let (our, _) = a.open(ID, b"").unwrap();
    let refused = events(&mut a, text(b"\0\x02\x01"));
    assert_eq!(refused, Ok(vec![Event::Rejected { our }]));
    assert_eq!(a.open(ID, b"").unwrap().0, our);
    // What was never opened cannot be refused.
    assert_eq!(events(&mut a, text(b"\0\x02\x05")), Err(Malformed::Channel));
}

#[test]
fn a_channel_that_is_closed_before_the_answer_keeps_its_number_until_then() {
    for answer in [&b"\0\x02\x01"[..], &open_frame(1)] {
        let mut a = mux();
        let (our, _) = a.open(ID, b"").unwrap();
        assert_eq!(a.close(our).unwrap(), &b"\0\x03\x01"[..]);
        assert_eq!(a.open([8; 32], b"").unwrap().0, 2);
        assert_eq!(events(&mut a, Bytes::copy_from_slice(answer)), Ok(vec![]));
        assert_eq!(a.open(ID, b"").unwrap().0, our);
    }
}

fn open_frame(number: Number) -> Bytes {
    mux().open_frame(number, ID, b"")
}

#[test]
fn other_protocols_and_ids_of_other_lengths_are_refused() {
    let mut a = mux();
    let other = Mux::new("other/1").open(ID, b"").unwrap().1;
    assert_eq!(events(&mut a, other), Ok(vec![]));
    assert_eq!(a.next_frame().unwrap(), &b"\0\x02\x01"[..]);
    let no_id = text(b"\0\x01\x01\x0cpeersocket/1\0");
    assert_eq!(events(&mut a, no_id), Ok(vec![]));
    assert_eq!(a.next_frame().unwrap(), &b"\0\x02\x01"[..]);
}

#[test]
fn a_second_channel_of_the_same_id_is_refused() {
    let (mut a, _) = pair();
    assert_eq!(events(&mut a, open_frame(2)), Ok(vec![]));
    assert_eq!(a.next_frame().unwrap(), &b"\0\x02\x02"[..]);
}

#[test]
fn numbers_go_on_by_one_and_are_used_once_at_a_time() {
    let (mut a, _) = pair();
    assert_eq!(events(&mut a, open_frame(1)), Err(Malformed::Channel));
    assert_eq!(events(&mut mux(), open_frame(2)), Err(Malformed::Channel));
}

/// Whichever numbers they have: else the answer to one is taken for that to the other, and the next for a breach of the
/// rules.
#[test]
fn an_answer_is_that_to_the_oldest_channel_of_its_id() {
    let (mut a, mut b) = (mux(), mux());
    let (one, _) = a.open([1; 32], b"").unwrap();
    let (two, open) = a.open(ID, b"").unwrap();
    assert!(a.close(two).is_some());
    // The first number is free again, and now the newer one.
    assert_eq!(a.rejected(one), Ok(Event::Rejected { our: one }));
    let (again, _) = a.open(ID, b"").unwrap();
    assert_eq!(again, one);
    assert!(a.close(again).is_some());
    b.theirs.push(Theirs::Closed);
    events(&mut b, open).unwrap();
    let (_, answer) = b.accept(two, ID, b"").unwrap();
    assert_eq!(events(&mut a, answer), Ok(vec![]));
    b.reject(again);
    let reject = b.next_frame().unwrap();
    assert_eq!(events(&mut a, reject), Ok(vec![]));
}

/// Else the peer would take the second for a breach of the rules, and end the connection.
#[test]
fn the_peer_hears_of_channels_in_the_order_of_their_numbers() {
    let (mut a, mut b) = (mux(), mux());
    let (_, theirs) = b.open(ID, b"").unwrap();
    for id in [[1; 32], [2; 32]] {
        let (_, open) = a.open(id, b"").unwrap();
        a.say(open);
    }
    events(&mut a, theirs).unwrap();
    let (_, open) = a.accept(1, ID, b"").unwrap();
    a.answer(open);
    let frames: Vec<_> = std::iter::from_fn(|| a.next_frame()).collect();
    let heard = frames
        .into_iter()
        .map(|frame| events(&mut b, frame).unwrap());
    assert_eq!(heard.flatten().count(), 3);
}

#[test]
fn a_peer_has_only_so_many_channels_and_answers() {
    let mut a = mux();
    let mut number = 0;
    let refused = loop {
        number += 1;
        let result = events(&mut a, open_frame(number));
        match result {
            Ok(_) => a.reject(number),
            Err(error) => break error,
        }
        if !a.may_read() {
            assert_eq!(a.answers, MAX_ANSWERS);
            while a.next_frame().is_some() {}
        }
    };
    assert_eq!(refused, Malformed::Channel);
    assert_eq!(number, MAX_CHANNELS as u64 + 1);
}

#[test]
fn an_empty_frame_says_nothing() {
    assert_eq!(events(&mut mux(), Bytes::new()), Ok(vec![]));
}

proptest! {
    #[test]
    fn no_frames_upset_it(frames in proptest::collection::vec(proptest::collection::vec(0_u8..5, 0..40), 0..20)) {
        let (mut a, _) = pair();
        for frame in frames {
            a.receive(frame.into());
            loop {
                match a.next_event() {
                    Ok(Some(Event::Requested { their, id, .. })) => {
                        a.accept(their, id, b"");
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
            while a.next_frame().is_some() {}
        }
    }
}
