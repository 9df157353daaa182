//! A host, ours or one in Go, and what it does after an attack.

use std::fmt;

use serde_json::json;
use tokio::{
    task::AbortHandle,
    time::{Duration, timeout},
};
use tower_multiserver::ragep2p::{Host, Limits, Stream, Version};

use super::{
    lab::{self, Map, id, wide},
    pair::{OURS, THEIRS, limits_json, seed, with},
    raw::Raw,
};
use crate::harness::{PATIENCE, RageHost, RagePeer};

/// The longest message that the streams take.
pub(super) const MAX: u32 = 1000;

/// Who is attacked, by the holder of the seed [`OURS`].
pub(super) enum Victim {
    Ours(Host, AbortHandle),
    Go(Box<RagePeer>, RageHost),
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Self::Ours(_, echo) = self {
            echo.abort();
        }
    }
}

impl Victim {
    /// A host of ours with a stream that is echoed.
    pub(super) async fn ours(version: Version, limits: Limits) -> Self {
        let map = Map::default();
        let builder = lab::builder(THEIRS, &map).version(version);
        // The shorter, the more often may one connect.
        let host = builder.dial_interval(Duration::from_millis(1)).start();
        let host = host.await.expect("it starts");
        let stream = host.stream(id(OURS), "echo").limits(limits);
        let echo = tokio::spawn(echo(stream.open().expect("it opens")));
        Self::Ours(host, echo.abort_handle())
    }

    /// The same of Go. `None` when the test is to be skipped.
    pub(super) async fn go(version: &str, limits: Limits) -> Option<Self> {
        let mut go = RagePeer::of(version)?;
        let options = json!({ "dialMillis": 1 });
        let host = go.host(version, &seed(THEIRS), options).await;
        let options = with(limits_json(limits), json!({ "mode": "echo" }));
        go.stream(&host, &id(OURS).to_string(), "echo", options)
            .await;
        Some(Self::Go(Box::new(go), host))
    }

    pub(super) async fn attacked(&self) -> Raw {
        let id = id(THEIRS);
        let mut raw = match self {
            Self::Ours(host, _) => Raw::connect(OURS, id, &lab::socket(host)).await,
            Self::Go(_, host) => Raw::connect(OURS, id, &host.address).await,
        };
        raw.greeted().await;
        raw
    }

    /// Waits until it has closed.
    pub(super) async fn close(&mut self) {
        match self {
            Self::Ours(host, _) => {
                assert!(timeout(PATIENCE, host.close()).await.expect("it closes"));
            }
            Self::Go(go, host) => {
                go.done("closeHost", json!({ "host": host.number })).await;
            }
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours(..) => "ours",
            Self::Go(..) => "Go",
        })
    }
}

async fn echo(mut stream: Stream) {
    while let Some(message) = stream.recv().await {
        if stream.send(message).is_err() {
            break;
        }
    }
}

/// Limits of the stream that nothing but too long a message meets.
pub(super) fn limits() -> Limits {
    Limits {
        max_message: MAX as usize,
        ..wide()
    }
}

/// Whether the connection is up after what was said: messages are echoed.
pub(super) async fn survives(raw: &mut Raw, said: &[u8]) -> bool {
    let alive = [raw.open(b"echo"), raw.data(b"echo", b"alive")].concat();
    raw.say(said).await && raw.say(&alive).await && raw.hears(b"alive").await
}
