//! What is counted, under the names of the Go package.

use metrics::{Gauge, gauge};
use tower_multiserver_core::PeerId;

use super::registry::Counts;

/// What discovery counts.
#[derive(Debug)]
pub(super) struct Metrics {
    registered: Gauge,
    discovered: Gauge,
    bootstrappers: Gauge,
}

impl Metrics {
    pub(super) fn new(own: PeerId) -> Self {
        let gauge = |name: &'static str| gauge!(name, "peer_id" => own.to_string());
        Self {
            registered: gauge("ragedisco_registered_peers"),
            discovered: gauge("ragedisco_discovered_peers"),
            // Without the r that is missing upstream too.
            bootstrappers: gauge("ragedisco_bootstappers"),
        }
    }

    pub(super) fn set(&self, counts: Counts) {
        self.registered.set(counts.peers as f64);
        self.discovered.set(counts.discovered as f64);
        self.bootstrappers.set(counts.bootstrappers as f64);
    }
}
