//! One of our hosts and one in Go that know each other.

use serde_json::{Value, json};
use tokio::time::{Duration, timeout};
use tower_multiserver::{
    Address, PeerId,
    ragep2p::{Host, HostBuilder, Limits, Stream, Version},
};

use super::lab::{self, Map, id, identity, numbered, recv_number, send, wide};
use crate::harness::{PATIENCE, RageHost, RagePeer};

/// Long enough that a handshake ends before the next dial, on a busy machine too: the later connection would cut the earlier.
const DIAL_INTERVAL: Duration = Duration::from_millis(300);

/// How long to wait for a message that may have been lost.
const MOMENT: Duration = Duration::from_millis(50);

/// The seeds of our host and of the one in Go.
pub(super) const OURS: u8 = 1;
pub(super) const THEIRS: u8 = 2;

/// Who dials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dials {
    Ours,
    Theirs,
    Both,
}

/// What the two are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// `v1` or `new`.
    pub(super) go: &'static str,
    pub(super) version: Version,
    pub(super) dials: Dials,
}

/// The two.
pub(super) struct Pair {
    /// Of the host in Go.
    pub(super) version: &'static str,
    pub(super) dials: Dials,
    pub(super) map: Map,
    pub(super) ours: Host,
    pub(super) go: RagePeer,
    pub(super) theirs: RageHost,
}

/// A seed as the peers are told it.
pub(super) fn seed(of: u8) -> String {
    hex::encode([of; 32])
}

/// Where the host in Go listens.
pub(super) fn at(host: &RageHost) -> Address {
    format!("net:{}", host.address).parse().expect("an address")
}

/// Limits that nothing meets, as the peers are told them.
pub(super) fn wide_json() -> Value {
    limits_json(wide())
}

pub(super) fn limits_json(limits: Limits) -> Value {
    let rate = |limit: tower_multiserver::ragep2p::RateLimit| json!({ "rate": limit.rate, "capacity": limit.capacity });
    json!({
        "outBuf": limits.outgoing,
        "inBuf": limits.incoming,
        "maxMessage": limits.max_message,
        "messages": rate(limits.messages),
        "bytes": rate(limits.bytes),
    })
}

/// The first with what the second has.
pub(super) fn with(mut options: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    options.as_object_mut().expect("an object").extend(more);
    options
}

impl Case {
    /// The two, without a stream. `None` when the test is to be skipped.
    pub(super) async fn pair(self) -> Option<Pair> {
        self.pair_with(DIAL_INTERVAL, |builder| builder).await
    }

    /// The two, which dial that often, with our host changed.
    pub(super) async fn pair_with(
        self,
        interval: Duration,
        change: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Option<Pair> {
        let mut go = RagePeer::of(self.go)?;
        let map = Map::default();
        let builder = match self.dials {
            Dials::Ours => Host::builder(identity(OURS)).discover(map.clone()),
            _ => lab::builder(OURS, &map),
        };
        let builder = builder.version(self.version).dial_interval(interval);
        let ours = change(builder).start().await.expect("it starts");
        let known = match self.dials {
            Dials::Ours => json!({}),
            _ => json!({ ours.id().to_string(): [lab::socket(&ours)] }),
        };
        let options = json!({
            "dialMillis": u64::try_from(interval.as_millis()).unwrap(),
            "discover": { "static": known },
        });
        let theirs = go.host(self.go, &seed(THEIRS), options).await;
        if self.dials != Dials::Theirs {
            map.set(id(THEIRS), [at(&theirs)]);
        }
        Some(Pair {
            version: self.go,
            dials: self.dials,
            map,
            ours,
            go,
            theirs,
        })
    }

    /// The two, with a connection and a stream that keeps it.
    pub(super) async fn connected(self) -> Option<Connected> {
        let mut pair = self.pair().await?;
        let kept = pair.connect().await;
        Some(Connected { pair, kept })
    }
}

/// The two, with a connection and a stream that keeps it.
pub(super) struct Connected {
    pub(super) pair: Pair,
    pub(super) kept: Echoed,
}

/// A stream of ours that is echoed.
pub(super) struct Echoed {
    pub(super) stream: Stream,
    pub(super) theirs: u64,
    next: u64,
}

impl Pair {
    pub(super) fn peer(&self) -> PeerId {
        id(THEIRS)
    }

    /// Our end of a stream.
    pub(super) fn open(&self, name: &str, limits: Limits) -> Stream {
        let stream = self.ours.stream(self.peer(), name).limits(limits);
        stream.open().expect("it opens")
    }

    /// Their end of a stream.
    pub(super) async fn opened(&mut self, name: &str, options: Value) -> u64 {
        let ours = self.ours.id().to_string();
        self.go.stream(&self.theirs, &ours, name, options).await
    }

    /// Both ends of a stream with wide limits. The mode is theirs.
    pub(super) async fn stream(&mut self, name: &str, mode: &str) -> (Stream, u64) {
        let options = with(wide_json(), json!({ "mode": mode }));
        let theirs = self.opened(name, options).await;
        (self.open(name, wide()), theirs)
    }

    /// Waits until there is a connection, with a stream that is echoed.
    pub(super) async fn connect(&mut self) -> Echoed {
        let (stream, theirs) = self.stream("kept", "echo").await;
        let mut kept = Echoed::new(stream, theirs, 0);
        kept.until_echoed().await;
        kept
    }

    /// The sum of a metric of the Go host, or how often it was told where it is a histogram.
    pub(super) async fn metric(&mut self, name: &str) -> u64 {
        let options = json!({ "host": self.theirs.number });
        let metrics = self.go.done("metrics", options).await;
        let metrics = metrics["metrics"].as_array().unwrap().iter();
        let ours = metrics.filter(|one| one["name"] == name);
        let values = ours.map(|one| one["value"].as_f64().or(one["count"].as_f64()));
        values.map(|value| value.expect("a number") as u64).sum()
    }

    /// How many connections the Go host has had.
    pub(super) async fn established(&mut self) -> u64 {
        self.metric("ragep2p_peer_conn_established_total").await
    }

    /// Waits until the Go host has handed so many messages to its connections.
    pub(super) async fn until_written(&mut self, count: u64) {
        let written = async {
            while self.metric("ragep2p_experimental_peer_message_bytes").await < count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, written)
            .await
            .expect("they are written in time");
    }

    /// Waits until the last message that their stream has received is this. All that it has comes back.
    pub(super) async fn until_last(&mut self, stream: u64, last: u64) -> Value {
        let come = async {
            loop {
                let told = self.go.stats(stream).await["messages"].take();
                assert_eq!(told["wrong"], Value::Null, "{told}");
                let counters = told["counters"].as_array().unwrap();
                if counters.last() == Some(&json!(last)) {
                    return told;
                }
                let more = json!({ "stream": stream, "count": counters.len() + 1, "millis": 50 });
                self.go.done("wait", more).await;
            }
        };
        timeout(PATIENCE, come).await.expect("it comes in time")
    }
}

impl Echoed {
    /// One whose first message has this number.
    pub(super) fn new(stream: Stream, theirs: u64, next: u64) -> Self {
        Self {
            stream,
            theirs,
            next,
        }
    }

    /// Sends a message a moment until one comes back: what is sent while a connection ends may be lost.
    pub(super) async fn until_echoed(&mut self) {
        let mut last = None;
        let talk = async {
            loop {
                let number = self.next;
                self.next += 1;
                send(&mut self.stream, numbered(number, 8)).await;
                while let Ok(heard) = timeout(MOMENT, recv_number(&mut self.stream)).await {
                    assert!(last < Some(heard), "{heard} after {last:?}");
                    last = Some(heard);
                    if heard == number {
                        return;
                    }
                }
            }
        };
        timeout(PATIENCE, talk)
            .await
            .expect("one comes back in time");
    }

    /// A round trip, in which nothing may be lost.
    pub(super) async fn echo(&mut self) {
        let number = self.next;
        self.next += 1;
        send(&mut self.stream, numbered(number, 8)).await;
        assert_eq!(recv_number(&mut self.stream).await, number);
    }
}

/// That these counters came, and nothing is wrong with the messages.
pub(super) fn assert_counters(tally: &Value, counters: impl IntoIterator<Item = u64>) {
    assert_eq!(tally["wrong"], Value::Null, "{tally}");
    let counters: Vec<_> = counters.into_iter().collect();
    assert_eq!(tally["counters"], json!(counters));
}
