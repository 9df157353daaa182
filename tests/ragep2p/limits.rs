//! What is let in, and what is kept.

use futures_util::SinkExt as _;
use tokio::time::{Instant, timeout};
use tower_multiserver::ragep2p::{
    Host, Limits, Message, RateLimit, RequestStream, ResponsePolicy, SendError, Stream, Version,
};

use crate::lab::{
    Map, PATIENCE, Pair, VERSIONS, dialer, host, numbered, recv, recv_number, send, wide,
};

#[tokio::test]
async fn a_message_that_is_too_long_is_not_sent() {
    let limits = Limits {
        max_message: 10,
        ..wide()
    };
    let mut pair = Pair::new(Version::V1, Version::V1, limits).await;
    let too_long = pair.dialers.send([0; 11].as_slice());
    assert_eq!(too_long, Err(SendError::TooLong { len: 11, max: 10 }));
    let _ = pair.dialers.send([0; 10].as_slice()).unwrap();
    assert_eq!(recv(&mut pair.acceptors).await, [0; 10]);
}

/// Another stream of a connection, whose frames are handled in their order.
struct Done {
    ours: Stream,
    theirs: Stream,
}

impl Done {
    fn new([ours, theirs]: [&Host; 2]) -> Self {
        Self {
            ours: ours.stream(theirs.id(), "done").open().unwrap(),
            theirs: theirs.stream(ours.id(), "done").open().unwrap(),
        }
    }

    /// Waits until the other end has handled all that was sent on a stream.
    async fn after(&mut self, stream: &mut Stream) {
        // What is sent then is written last.
        stream.flush().await.unwrap();
        let _ = self.ours.send("done").unwrap();
        assert_eq!(recv(&mut self.theirs).await, b"done");
    }
}

#[tokio::test]
async fn more_messages_than_the_rate_allows_are_dropped() {
    for version in VERSIONS {
        let map = Map::default();
        let bob = host(2, version, &map).await;
        let alice = dialer(1, version, &map).await;
        let limits = Limits {
            messages: RateLimit::new(0.0, 20),
            ..wide()
        };
        let mut ours = alice
            .stream(bob.id(), "test")
            .limits(wide())
            .open()
            .unwrap();
        let mut theirs = bob
            .stream(alice.id(), "test")
            .limits(limits)
            .open()
            .unwrap();
        let mut done = Done::new([&alice, &bob]);
        for number in 0..100 {
            send(&mut ours, numbered(number, 8)).await;
        }
        done.after(&mut ours).await;
        for number in 0..20 {
            assert_eq!(recv_number(&mut theirs).await, number);
        }
        // Those after them have been dropped: a new limit lets the next in.
        theirs.update_limits(wide()).unwrap();
        send(&mut ours, numbered(100, 8)).await;
        assert_eq!(recv_number(&mut theirs).await, 100);
    }
}

#[tokio::test]
async fn a_slow_reader_keeps_the_newest() {
    let mut pair = Pair::new(Version::V1, Version::V1, wide()).await;
    let limits = Limits {
        incoming: 4,
        ..wide()
    };
    pair.acceptors.update_limits(limits).unwrap();
    let mut done = Done::new([&pair.dialer, &pair.acceptor]);
    for number in 0..20 {
        send(&mut pair.dialers, numbered(number, 8)).await;
    }
    done.after(&mut pair.dialers).await;
    for number in 16..20 {
        assert_eq!(recv_number(&mut pair.acceptors).await, number);
    }
}

#[tokio::test]
async fn smaller_limits_keep_the_newest_that_wait() {
    let map = Map::default();
    let bob = host(2, Version::V2, &map).await;
    let alice = dialer(1, Version::V2, &map).await;
    let ours = alice
        .stream(bob.id(), "test")
        .limits(wide())
        .open()
        .unwrap();
    for number in 0..10 {
        let _ = ours.send(numbered(number, 8)).unwrap();
    }
    ours.update_limits(Limits {
        outgoing: 3,
        ..wide()
    })
    .unwrap();
    let mut theirs = bob
        .stream(alice.id(), "test")
        .limits(wide())
        .open()
        .unwrap();
    for number in 7..10 {
        assert_eq!(recv_number(&mut theirs).await, number);
    }
}

struct Asking {
    ours: RequestStream,
    theirs: RequestStream,
}

async fn asking() -> (Asking, [Host; 2]) {
    let map = Map::default();
    let bob = host(2, Version::V2, &map).await;
    let alice = dialer(1, Version::V2, &map).await;
    let limits = Limits {
        max_message: 100,
        ..wide()
    };
    let ours = alice
        .stream(bob.id(), "test")
        .limits(limits)
        .open_with_requests();
    let theirs = bob
        .stream(alice.id(), "test")
        .limits(limits)
        .open_with_requests();
    let asking = Asking {
        ours: ours.unwrap(),
        theirs: theirs.unwrap(),
    };
    (asking, [alice, bob])
}

impl Asking {
    async fn ask(&mut self, policy: ResponsePolicy) -> tower_multiserver::ragep2p::Request {
        let _ = self.ours.request("question", policy).unwrap();
        match timeout(PATIENCE, self.theirs.recv()).await.unwrap() {
            Some(Message::Request(request)) if request.payload == "question" => request,
            other => panic!("expected the request, got {other:?}"),
        }
    }

    /// All that is heard before a plain message.
    async fn heard(&mut self) -> Vec<Message> {
        let _ = self.theirs.send("end").unwrap();
        let mut heard = Vec::new();
        loop {
            match timeout(PATIENCE, self.ours.recv()).await.unwrap().unwrap() {
                Message::Plain(end) if end == "end" => break heard,
                message => heard.push(message),
            }
        }
    }
}

#[tokio::test]
async fn a_request_lets_one_response_in_as_long_as_it_says() {
    let (mut asking, _hosts) = asking().await;
    let later = Instant::now() + PATIENCE;
    let request = asking.ask(ResponsePolicy::once(1000, later)).await;
    // Longer than any message may be.
    for _ in 0..2 {
        let _ = asking.theirs.respond(&request, vec![7; 1000]).unwrap();
    }
    assert_eq!(
        asking.heard().await,
        [Message::Response(vec![7; 1000].into())]
    );

    let request = asking.ask(ResponsePolicy::once(1000, later)).await;
    for len in [1001, 5] {
        let _ = asking.theirs.respond(&request, vec![7; len]).unwrap();
    }
    assert_eq!(asking.heard().await, []);

    let request = asking.ask(ResponsePolicy::once(1000, Instant::now())).await;
    let _ = asking.theirs.respond(&request, "late").unwrap();
    assert_eq!(asking.heard().await, []);
}

#[tokio::test]
async fn a_response_on_another_stream_is_dropped() {
    let (mut asking, [alice, bob]) = asking().await;
    let mut other = alice
        .stream(bob.id(), "other")
        .open_with_requests()
        .unwrap();
    let others = bob
        .stream(alice.id(), "other")
        .open_with_requests()
        .unwrap();
    let request = asking
        .ask(ResponsePolicy::once(1000, Instant::now() + PATIENCE))
        .await;
    let _ = others.respond(&request, "astray").unwrap();
    let _ = others.send("end").unwrap();
    let heard = timeout(PATIENCE, other.recv()).await.unwrap();
    assert_eq!(heard, Some(Message::Plain("end".into())));
    // It may still be answered where it was asked.
    let _ = asking.theirs.respond(&request, "answer").unwrap();
    assert_eq!(asking.heard().await, [Message::Response("answer".into())]);
}

#[tokio::test]
async fn a_stream_without_requests_drops_them() {
    let map = Map::default();
    let bob = host(2, Version::V2, &map).await;
    let alice = dialer(1, Version::V2, &map).await;
    let ours = alice.stream(bob.id(), "test").open_with_requests().unwrap();
    let mut theirs = bob.stream(alice.id(), "test").open().unwrap();
    let policy = ResponsePolicy::once(10, Instant::now() + PATIENCE);
    let _ = ours.request("question", policy).unwrap();
    let _ = ours.send("plain").unwrap();
    assert_eq!(recv(&mut theirs).await, b"plain");
}
