//! What is counted, under the names of the Go package.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::{Version, allowance::Allowed};
use crate::PeerId;

/// What a host counts.
#[derive(Debug)]
pub(super) struct HostMetrics {
    pub(super) inbound_dials: Counter,
}

impl HostMetrics {
    pub(super) fn new(own: PeerId) -> Self {
        let own = own.to_string();
        Self {
            inbound_dials: counter!("ragep2p_host_inbound_dials_total", "peer_id" => own),
        }
    }
}

/// What is counted of one peer.
#[derive(Debug)]
pub(super) struct PeerMetrics {
    pub(super) established: Counter,
    pub(super) established_inbound: Counter,
    pub(super) read_processed: Counter,
    pub(super) read_skipped: Counter,
    pub(super) written: Counter,
    pub(super) message_bytes: Histogram,
    raw_read: Counter,
    raw_written: Counter,
    limits: [Gauge; 6],
}

impl PeerMetrics {
    pub(super) fn new(own: PeerId, remote: PeerId) -> Self {
        let labels = [
            ("peer_id", own.to_string()),
            ("remote_peer_id", remote.to_string()),
        ];
        let counter = |name: &'static str| counter!(name, &labels);
        let gauge = |name: &'static str| gauge!(name, &labels);
        Self {
            established: counter("ragep2p_peer_conn_established_total"),
            established_inbound: counter("ragep2p_peer_conn_established_inbound_total"),
            read_processed: counter("ragep2p_peer_conn_read_processed_bytes_total"),
            read_skipped: counter("ragep2p_peer_conn_read_skipped_bytes_total"),
            written: counter("ragep2p_peer_conn_written_bytes_total"),
            message_bytes: histogram!("ragep2p_experimental_peer_message_bytes", &labels),
            raw_read: counter("ragep2p_peer_rawconn_read_bytes_total"),
            raw_written: counter("ragep2p_peer_rawconn_written_bytes_total"),
            limits: [
                gauge("ragep2p_peer_rawconn_rate_limit_rate"),
                gauge("ragep2p_peer_rawconn_rate_limit_capacity"),
                gauge("ragep2p_peer_messages_rate_limit_rate"),
                gauge("ragep2p_peer_messages_rate_limit_capacity"),
                gauge("ragep2p_peer_bytes_rate_limit_rate"),
                gauge("ragep2p_peer_bytes_rate_limit_capacity"),
            ],
        }
    }

    /// The bytes of all connections of this peer, of which the meter knows.
    pub(super) fn raw(&self, received: u64, sent: u64) {
        self.raw_read.absolute(received);
        self.raw_written.absolute(sent);
    }

    /// What the peer may send.
    pub(super) fn allowed(&self, version: Version, allowed: &Allowed) {
        let raw = match version {
            Version::V1 => allowed.raw(),
            Version::V2 => None,
        };
        let raw = raw.map_or((0.0, 0.0), |raw| (raw.rate, f64::from(raw.capacity)));
        let sums = [
            raw.0,
            raw.1,
            allowed.messages.0,
            allowed.messages.1,
            allowed.bytes.0,
            allowed.bytes.1,
        ];
        for (gauge, sum) in self.limits.iter().zip(sums) {
            gauge.set(sum);
        }
    }
}
