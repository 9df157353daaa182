//! Runs each model through all interleavings of its threads. A wakeup that is lost is a deadlock, which loom tells.

use core::sync::atomic::{AtomicUsize, Ordering};

extern crate loom_std as futures_util;
extern crate loom_std as std;

#[allow(dead_code, reason = "a model uses what it is about")]
#[path = "../../../src/peer_socket/queue.rs"]
mod queue;
#[allow(dead_code, reason = "a model uses what it is about")]
#[path = "../../../layers/core/src/wakers.rs"]
mod wakers;

mod of_queue;
mod of_wakers;

fn main() {
    let models: [(&str, fn()); 6] = [
        (
            "wakers: one wake is for both halves",
            of_wakers::both_halves_go_on,
        ),
        (
            "wakers: a half that left takes no wake with it",
            of_wakers::one_half_leaves,
        ),
        (
            "wakers: either half is woken alone",
            of_wakers::each_half_alone,
        ),
        (
            "queue: all comes out in order, and then the end",
            of_queue::in_order,
        ),
        (
            "queue: two readers share what there is",
            of_queue::two_readers,
        ),
        (
            "queue: a flush ends with what was taken, or with the queue",
            of_queue::flushes,
        ),
    ];
    for (name, model) in models {
        println!("{name}: {} interleavings", interleavings(model));
    }
}

fn interleavings(model: fn()) -> usize {
    // Not one of loom's.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.store(0, Ordering::Relaxed);
    let mut builder = loom::model::Builder::new();
    // A fault of this kind needs two or three switches at the wrong moment; all that there may be would take hours.
    builder.preemption_bound = Some(3);
    builder.check(move || {
        COUNT.fetch_add(1, Ordering::Relaxed);
        model();
    });
    COUNT.load(Ordering::Relaxed)
}
