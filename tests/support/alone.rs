//! Cases that do the same each time: each on a runtime of its own, whose time stands still while anybody has something to do.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tower_multiserver_core::testing::seeds;

/// Runs the case of each seed alone, as [`seeds`] does.
pub(crate) fn seeds_alone<T>(name: &str, count: u64, mut case: impl AsyncFnMut(u64) -> T) {
    let all = seeds(name, count, async |seed| {
        alone(case(seed));
    });
    all.now_or_never()
        .expect("each has ended before it returns");
}

/// Runs a case on a runtime of its own.
pub(crate) fn alone<T>(case: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(case)
}

/// What happened and when, in a few bytes.
#[derive(Debug)]
pub(crate) struct Course {
    began: Instant,
    events: DefaultHasher,
    count: u64,
}

impl Course {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            events: DefaultHasher::new(),
            count: 0,
        }
    }

    pub(crate) fn note(&mut self, event: impl Hash) {
        (self.began.elapsed(), event).hash(&mut self.events);
        self.count += 1;
    }

    /// How many events there were, and a number that is the same where they and their times are.
    pub(crate) fn summary(&self) -> (u64, u64) {
        (self.count, self.events.finish())
    }
}
