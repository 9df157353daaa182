//! Two kinds of input, and whether the times that they take differ.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::Wrong;

/// Measures both kinds of input, of which `make` makes what is to be measured.
pub(crate) fn compare<F: FnOnce() -> bool>(
    what: &str,
    count: usize,
    pair: [Wrong; 2],
    make: impl Fn(Wrong) -> F,
) {
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut coin = Coin(0x9e37_79b9_7f4a_7c15);
    while times.iter().any(|times| times.len() < count) {
        let side = coin.toss();
        let run = make(pair[side]);
        let start = Instant::now();
        let passed = black_box(run());
        let time = start.elapsed();
        assert_eq!(passed, pair[side] == Wrong::Nothing);
        times[side].push(time);
    }
    let mut all = times.concat();
    all.sort();
    let below = |quantile: f64| {
        let limit = all[((all.len() - 1) as f64 * quantile) as usize];
        [0, 1].map(|side| Sample::of(times[side].iter().filter(|time| **time <= limit)))
    };
    let t = [1.0, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25]
        .map(below)
        .into_iter()
        .filter(|samples| samples.iter().all(|sample| sample.count >= 100.0))
        .map(|[one, other]| one.t(&other))
        // Where a quantile is one and the same time.
        .filter(|t| !t.is_nan())
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .expect("some");
    let [one, other] = times.map(|mut times| {
        times.sort();
        times.truncate(times.len() * 9 / 10);
        Sample::of(times.iter())
    });
    println!(
        "{what}: {:?}, {:?} | {count} | {:.0} | {:.0} ({:+.2} %) | {t:+.1}",
        pair[0],
        pair[1],
        one.mean,
        other.mean,
        (other.mean / one.mean - 1.0) * 100.0,
    );
}

struct Sample {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Sample {
    fn of<'a>(times: impl Iterator<Item = &'a Duration> + Clone) -> Self {
        let nanos = times.map(|time| time.as_nanos() as f64);
        let count = nanos.clone().count() as f64;
        let mean = nanos.clone().sum::<f64>() / count;
        let variance = nanos.map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self {
            count,
            mean,
            variance,
        }
    }

    /// Welch's t.
    fn t(&self, other: &Self) -> f64 {
        let error = self.variance / self.count + other.variance / other.count;
        (self.mean - other.mean) / error.sqrt()
    }
}

/// Which side is next (xorshift).
struct Coin(u64);

impl Coin {
    fn toss(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as usize & 1
    }
}
