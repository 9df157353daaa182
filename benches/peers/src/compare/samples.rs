//! What was measured, and what it comes to.

use crate::work::Work;

use super::pair::Sample;

/// All that was measured.
#[derive(Default)]
pub(crate) struct Samples(Vec<Series>);

/// The rounds of one work of one stack.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) stack: &'static str,
    work: Work,
    rounds: Vec<Sample>,
}

impl Samples {
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        stack: &'static str,
        work: Work,
        sample: Sample,
    ) {
        let series = self
            .0
            .iter_mut()
            .find(|of| (of.name, of.stack) == (name, stack));
        match series {
            Some(series) => series.rounds.push(sample),
            None => self.0.push(Series {
                name,
                stack,
                work,
                rounds: vec![sample],
            }),
        }
    }

    pub(crate) fn of(&self, name: &str) -> impl Iterator<Item = &Series> {
        self.0.iter().filter(move |series| series.name == name)
    }

    pub(crate) fn get(&self, name: &str, stack: &str) -> Option<&Series> {
        self.of(name).find(|series| series.stack == stack)
    }
}

impl Series {
    /// How often the work has its unit: GiB, handshakes, messages or connections.
    fn units(&self) -> f64 {
        match self.work {
            Work::Bulk { bytes } => bytes as f64 / f64::from(1 << 30),
            Work::Handshakes { count, .. } | Work::Ping { count } | Work::Idle { count } => {
                count as f64
            }
        }
    }

    /// Seconds of CPU a unit: the client's, the server's. The least of all rounds, since nothing makes a program faster
    /// than it is.
    pub(crate) fn cpu(&self) -> (f64, f64) {
        let least = |cpu: fn(&Sample) -> f64| {
            self.rounds.iter().map(cpu).fold(f64::INFINITY, f64::min) / self.units()
        };
        (
            least(|sample| sample.client.cpu),
            least(|sample| sample.server.cpu),
        )
    }

    /// Seconds of CPU a unit, of both.
    pub(crate) fn both(&self) -> f64 {
        let (client, server) = self.cpu();
        client + server
    }

    /// Units a second, in the middle round.
    pub(crate) fn rate(&self) -> f64 {
        self.units() / self.median(|sample| sample.told.seconds)
    }

    /// Microseconds of a message and its echo, in the middle round: of half of them, of 99 in 100.
    pub(crate) fn latency(&self) -> (f64, f64) {
        (
            self.median(|sample| sample.told.p50),
            self.median(|sample| sample.told.p99),
        )
    }

    /// KiB a connection: the client's, the server's.
    pub(crate) fn memory(&self) -> (f64, f64) {
        (
            self.median(|sample| sample.client.memory) / self.units(),
            self.median(|sample| sample.server.memory) / self.units(),
        )
    }

    /// Of one second, the part that the server has worked while its connections waited.
    pub(crate) fn idle_cpu(&self) -> f64 {
        self.median(|sample| sample.idle_cpu)
    }

    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}
