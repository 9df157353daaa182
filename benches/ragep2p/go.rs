//! Two hosts of libocr.

use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::{
    Figures, Load,
    harness::{RageHost, RagePeer},
};

/// None where there is no Go, or no such version.
pub(crate) fn measure(version: &str, load: Load) -> Option<Figures> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("there is a thread");
    runtime.block_on(async {
        let mut peer = RagePeer::of(version)?;
        let bob = peer.host(version, &"22".repeat(32), json!({})).await;
        let known = json!({ "discover": { "static": { &bob.peer: [&bob.address] } } });
        let alice = peer.host(version, &"11".repeat(32), known).await;
        let flood = bench(
            &mut peer,
            [&alice, &bob],
            "ack",
            load.count,
            load.window,
            load,
        )
        .await;
        let echoes = load.echoes as u64;
        let echo = bench(&mut peer, [&alice, &bob], "echo", echoes, 1, load).await;
        let float = |value: &Value| value.as_f64().expect("it is a number");
        Some(Figures {
            messages_per_second: float(&flood["messagesPerSecond"]),
            p50: float(&echo["latencyMicros"]["p50"]),
            p99: float(&echo["latencyMicros"]["p99"]),
        })
    })
}

async fn bench(
    peer: &mut RagePeer,
    [alice, bob]: [&RageHost; 2],
    mode: &str,
    count: u64,
    window: u64,
    load: Load,
) -> Value {
    let limits = |mode: &str| {
        json!({
            "mode": mode,
            "every": (window / 8).max(1),
            "outBuf": 1000,
            "inBuf": 1000,
            "maxMessage": 1 << 20,
            "messages": { "rate": 1e6, "capacity": u32::MAX },
            "bytes": { "rate": 1e9, "capacity": u32::MAX },
        })
    };
    let near = peer.stream(alice, &bob.peer, mode, limits("hold")).await;
    peer.stream(bob, &alice.peer, mode, limits(mode)).await;
    let what = json!({
        "stream": near,
        "count": count,
        "warmup": 100,
        "size": load.size,
        "window": window,
    });
    peer.done("bench", what).await
}
