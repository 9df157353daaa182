//! The parts of the interop tests that build and drive the program in Go.

#[path = "../../tests/interop/harness/golang.rs"]
mod golang;
#[expect(dead_code, reason = "the rest is for JavaScript")]
#[path = "../../tests/interop/harness/npm.rs"]
mod npm;
#[expect(dead_code, reason = "the rest is for tests")]
#[expect(clippy::panic, reason = "what cannot go on has failed")]
#[path = "../../tests/interop/harness/rage.rs"]
mod rage;

use std::time::Duration;

pub(crate) use rage::{RageHost, RagePeer};

const PATIENCE: Duration = Duration::from_secs(120);

fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("it is a string")
}
