//! What a text that is no address costs whoever reads it, measured as what is allocated. In a process of its own, which
//! counts.

#![cfg(test)]

use std::{
    alloc::System,
    sync::Mutex,
    time::{Duration, Instant},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_multiserver_core::{ErrorKind, MultiAddress, grammar};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The count is of the whole process, so that one test counts at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

const PIECES: &[&str] = &[
    "net",
    "shs",
    "ws",
    "a",
    ":",
    "~",
    ";",
    "!",
    "!~",
    "!:",
    "//",
    "@",
    "8008",
    "é",
    "\n",
    "\0",
    "[::1]",
    "1b9KP8znF7A4i8wnSevBSK2ZabI/Re4bYF/Vh3hXasQ=",
];

const COUNT: usize = 1_000_000;

/// Up to 15 pieces, with a section without a name somewhere in it.
fn malformed(numbers: &mut Numbers) -> String {
    let count = numbers.below(16);
    let mut pieces: Vec<_> = (0..count)
        .map(|_| PIECES[numbers.below(PIECES.len())])
        .collect();
    let nameless = ["a~~a", "a;;a", "a~:a", "a;:", "a~~", "a;~a"][numbers.below(6)];
    pieces.insert(numbers.below(count + 1), nameless);
    // Else the first of its separators may be an escaped one.
    pieces.concat().replace('!', "")
}

/// Goal: an error, no panic, and less than 1 KiB each, and microseconds.
#[test]
fn a_million_malformed_addresses_are_errors_that_cost_next_to_nothing() {
    let _alone = ALONE.lock();
    let mut numbers = Numbers(1);
    let (mut most, mut all, mut time) = (0, 0, Duration::ZERO);
    for _ in 0..COUNT {
        let text = malformed(&mut numbers);
        let region = Region::new(COUNTING);
        let start = Instant::now();
        let read = text.parse::<MultiAddress>();
        time += start.elapsed();
        let allocated = region.change().bytes_allocated;
        assert_eq!(
            read.unwrap_err().kind(),
            ErrorKind::InvalidAddress,
            "{text:?}"
        );
        assert!(grammar::check(&text).is_err());
        // A text is copied once, section by section, and the lists of them grow by doubling.
        assert!(
            allocated < 1024 + 8 * text.len(),
            "{allocated} bytes for {text:?}"
        );
        most = most.max(allocated);
        all += allocated;
    }
    assert!(most < 4096, "{most} bytes");
    let mean = all / COUNT;
    assert!(mean < 1024, "{mean} bytes");
    println!(
        "measured core\tmalformed addresses\t{COUNT} refused, each for {mean} bytes, {most} at most, and {:.1} µs",
        time.as_secs_f64() * 1e6 / COUNT as f64,
    );
}

/// What it takes to read and print `text`: how often, and how many bytes are allocated.
fn cost(text: &str) -> (usize, usize) {
    let region = Region::new(COUNTING);
    let read = text.parse::<MultiAddress>();
    let printed = read.map(|addresses| addresses.to_string());
    let change = region.change();
    drop(printed);
    (change.allocations, change.bytes_allocated)
}

#[test]
fn sixteen_times_as_long_a_text_costs_sixteen_times_as_much() {
    const SHORT: usize = 1 << 16;
    let _alone = ALONE.lock();
    for piece in ["a~", "a;", "a:", "!!", "!;", "é!"] {
        let short = cost(&format!("a{}", piece.repeat(SHORT / piece.len())));
        let long = cost(&format!("a{}", piece.repeat(16 * SHORT / piece.len())));
        let is_linear = long.0 <= 20 * short.0 && long.1 <= 20 * short.1;
        assert!(is_linear, "{piece}: {short:?} and {long:?}");
    }
}
