//! Sending no faster than a peer takes.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::cli::RageStream;

/// When the next message may go. A receiver drops what comes faster than its limits, and tells nobody.
#[derive(Debug)]
pub(super) struct Pace {
    messages_per_second: f64,
    bytes_per_second: f64,
    next: Instant,
}

impl Pace {
    pub(super) fn new(args: &RageStream) -> Self {
        Self {
            messages_per_second: args.message_rate.into(),
            bytes_per_second: args.byte_rate.into(),
            next: Instant::now(),
        }
    }

    /// Waits until a message of this length may go.
    pub(super) async fn wait(&mut self, len: usize) {
        sleep_until(self.next).await;
        let seconds = f64::max(
            1.0 / self.messages_per_second,
            len as f64 / self.bytes_per_second,
        );
        self.next = self.next.max(Instant::now()) + Duration::from_secs_f64(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn neither_rate_is_exceeded_and_nothing_is_saved_up() {
        let start = Instant::now();
        let mut pace = Pace {
            messages_per_second: 10.0,
            bytes_per_second: 1000.0,
            next: start,
        };
        pace.wait(1).await;
        pace.wait(500).await;
        assert_eq!(start.elapsed().as_millis(), 100);
        pace.wait(1).await;
        assert_eq!(start.elapsed().as_millis(), 600);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let later = Instant::now();
        pace.wait(1).await;
        pace.wait(1).await;
        assert_eq!(later.elapsed().as_millis(), 100);
    }
}
