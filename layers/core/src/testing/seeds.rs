//! Runs a case once for each seed, and tells which seed failed.

use std::{env, thread};

/// The environment variable that names the only seed to run.
pub const SEED: &str = "MULTISERVER_SEED";

/// The environment variable that tells how many seeds to run instead of the number that a test gives.
pub const SEEDS: &str = "MULTISERVER_SEEDS";

/// Runs `case` for the seeds 0 to `count` - 1.
///
/// A seed that panics is told on stderr. [`SEED`] runs it alone; [`SEEDS`] sets another count.
///
/// Seeds decide what a case decides by them. What a protocol draws itself, such as its keys, is new each time.
///
/// # Panics
///
/// Where a case does, and where a variable is no number.
pub async fn seeds(name: &str, count: u64, mut case: impl AsyncFnMut(u64)) {
    let (first, count) = match (number(SEED), number(SEEDS)) {
        (Some(seed), _) => (seed, 1),
        (None, seeds) => (0, seeds.unwrap_or(count)),
    };
    for seed in first..first.saturating_add(count) {
        let told = Told { name, seed };
        case(seed).await;
        drop(told);
    }
    println!("measured {name}\tconversations by seed\t{count}");
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().expect("the number of a seed, or of seeds"))
}

/// Tells the seed where its case panics.
struct Told<'a> {
    name: &'a str,
    seed: u64,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { name, seed } = self;
            eprintln!("{name}: seed {seed} failed; {SEED}={seed} runs it alone");
        }
    }
}
