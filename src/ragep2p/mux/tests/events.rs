//! Whatever may happen, in any order.

use proptest::{collection::vec, prelude::*};

use super::*;

/// What may happen to a mux, on one of four streams.
#[derive(Clone, Debug)]
enum Event {
    Open(Priority),
    Close,
    Send(usize),
    Frame([u8; 5]),
    Write,
    Receive,
    Connected,
    Disconnected,
    Repeat,
    Update(usize),
}

fn event() -> impl Strategy<Value = (u8, Event)> {
    let event = prop_oneof![
        Just(Event::Open(Priority::Low)),
        Just(Event::Open(Priority::Default)),
        Just(Event::Close),
        (0..120_usize).prop_map(Event::Send),
        any::<[u8; 5]>().prop_map(Event::Frame),
        // The frames that there are, and short.
        (1..6_u8, 0..120_u8).prop_map(|(kind, len)| Event::Frame([kind, 0, 0, 0, len])),
        Just(Event::Write),
        Just(Event::Receive),
        Just(Event::Connected),
        Just(Event::Disconnected),
        Just(Event::Repeat),
        (1..6_usize).prop_map(Event::Update),
    ];
    (0..4_u8, event)
}

fn happen(mux: &mut Mux, id: StreamId, event: Event) {
    let now = Instant::now();
    match event {
        Event::Open(priority) => {
            let _ = mux.open(id, "name".into(), priority, limits(), now);
        }
        Event::Close => mux.close(&id),
        Event::Send(len) => {
            let _ = mux.send(&id, Outbound::Message(vec![0; len].into()));
        }
        // Nothing comes without a connection.
        Event::Frame(_) if !mux.connected => {}
        Event::Frame([kind, len @ ..]) => {
            let bytes = [&[kind][..], id.as_bytes(), &len].concat();
            if let Ok(header) = Header::decode(&bytes.try_into().unwrap())
                && mux.judge(&header, Some(&[kind; 32]), now) == Ok(Verdict::Take)
            {
                assert!(header.len <= 100);
                mux.deliver(&id, Inbound::Message(Bytes::new()));
            }
        }
        Event::Write => {
            let frame = mux.next_frame(now);
            assert!(mux.connected || frame.is_none());
        }
        Event::Receive => {
            let _ = task::spawn(()).enter(|cx, _| mux.poll_receive(&id, cx));
        }
        Event::Connected => mux.connected(),
        Event::Disconnected => mux.disconnected(),
        Event::Repeat => mux.repeat_opens(),
        Event::Update(room) => {
            let room = NonZeroUsize::new(room).unwrap();
            let limits = ValidLimits {
                outgoing: room,
                incoming: room,
                ..limits()
            };
            mux.update(&id, limits, now);
        }
    }
}

proptest! {
    /// Ready are those streams that are on and have messages, and no others.
    #[test]
    fn whatever_happens_the_ready_streams_are_those_that_may_write(
        events in vec(event(), 0..200),
        is_v2: bool,
    ) {
        let mut mux = Mux::new(VERSIONS[usize::from(is_v2)]);
        for (stream, event) in events {
            happen(&mut mux, StreamId::from_bytes([stream; 32]), event);
            let may_write = mux.streams.iter().filter(|(id, channel)| {
                mux.remote_open.contains(*id) && !channel.outgoing.is_empty()
            });
            let mut may_write: Vec<_> = may_write
                .map(|(id, channel)| (channel.priority == Priority::Low, *id))
                .collect();
            may_write.sort();
            prop_assert_eq!(mux.ready.all(), may_write);
            prop_assert!(mux.connected || mux.notices.is_empty());
            prop_assert!(mux.remote_open.len() <= mux.control_frames as usize);
        }
    }
}
