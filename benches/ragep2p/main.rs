//! Messages per second, and the time of a message and its echo: two hosts of ours, and two of libocr in Go, each pair in
//! one process with two threads, over loopback and in turn.
//!
//! `cargo bench --features ragep2p --bench ragep2p` prints a table; README.md beside this folder says what it means. Without
//! Go the part of libocr is left out.

mod go;
mod harness;
mod ours;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Bytes in a message.
    size: usize,
    /// How many messages go one way.
    count: u64,
    /// How many of them may be unacknowledged.
    window: u64,
    /// How many messages are echoed, one after the other.
    echoes: usize,
}

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    messages_per_second: f64,
    /// Of a message and its echo, in microseconds.
    p50: f64,
    p99: f64,
}

const LOADS: [Load; 2] = [
    Load {
        size: 1000,
        count: 200_000,
        window: 400,
        echoes: 10_000,
    },
    Load {
        size: 100_000,
        count: 10_000,
        window: 40,
        echoes: 3_000,
    },
];

/// In turn, so that a machine whose speed changes does not favour one of them.
const ROUNDS: usize = 5;

fn main() {
    println!("| bytes | hosts | messages/s | echo p50 | echo p99 |");
    println!("|---|---|---|---|---|");
    for load in LOADS {
        let mut figures: Vec<(&str, Vec<Figures>)> = Vec::new();
        for _ in 0..ROUNDS {
            for (name, measured) in [
                (
                    "ours, V1",
                    Some(ours::measure(tower_multiserver::ragep2p::Version::V1, load)),
                ),
                ("libocr, v1", go::measure("v1", load)),
                (
                    "ours, V2",
                    Some(ours::measure(tower_multiserver::ragep2p::Version::V2, load)),
                ),
                ("libocr, new", go::measure("new", load)),
            ] {
                let Some(measured) = measured else {
                    continue;
                };
                match figures.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, all)) => all.push(measured),
                    None => figures.push((name, vec![measured])),
                }
            }
        }
        for (name, all) in figures {
            let median = |of: fn(&Figures) -> f64| {
                let mut all: Vec<f64> = all.iter().map(of).collect();
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            };
            let (rate, p50, p99) = (
                median(|it| it.messages_per_second),
                median(|it| it.p50),
                median(|it| it.p99),
            );
            println!(
                "| {} | {name} | {rate:.0} | {p50:.0} µs | {p99:.0} µs |",
                load.size
            );
        }
    }
}
