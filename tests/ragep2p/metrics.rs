//! What a recorder hears.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tower_multiserver::ragep2p::{Limits, RateLimit, Version};

use crate::lab::{Pair, id, numbered, recv, recv_number, send, wide};

/// Keeps what it hears.
#[derive(Default)]
struct Heard {
    counters: Mutex<BTreeMap<Key, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<Key, Arc<AtomicU64>>>,
    histograms: Mutex<BTreeMap<Key, Arc<Values>>>,
}

/// How many values a histogram heard.
#[derive(Default)]
struct Values(AtomicU64);

impl HistogramFn for Values {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn entry<T: Default>(of: &Mutex<BTreeMap<Key, Arc<T>>>, key: &Key) -> Arc<T> {
    of.lock().unwrap().entry(key.clone()).or_default().clone()
}

impl Recorder for Heard {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(entry(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(entry(&self.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(entry(&self.histograms, key))
    }
}

impl Heard {
    /// The metrics of the host of `own`, and by what they are labelled.
    fn of(&self, own: u8) -> BTreeMap<String, (f64, Vec<String>)> {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let counters = self.counters.lock().unwrap();
        let counters = counters
            .iter()
            .map(|(key, value)| (key, load(value) as f64));
        let gauges = self.gauges.lock().unwrap();
        let gauges = gauges
            .iter()
            .map(|(key, value)| (key, f64::from_bits(load(value))));
        let histograms = self.histograms.lock().unwrap();
        let histograms = histograms
            .iter()
            .map(|(key, value)| (key, load(&value.0) as f64));
        let own = id(own).to_string();
        counters
            .chain(gauges)
            .chain(histograms)
            .filter(|(key, _)| {
                key.labels()
                    .any(|of| of.key() == "peer_id" && of.value() == own)
            })
            .map(|(key, value)| {
                let labels = key.labels().map(|label| label.key().to_owned()).collect();
                (key.name().to_owned(), (value, labels))
            })
            .collect()
    }
}

/// On one thread, so that one recorder hears all.
#[tokio::test]
async fn metrics_have_the_names_of_the_go_package() {
    let recorder = Heard::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let limits = Limits {
        messages: RateLimit::new(0.0, 2),
        ..wide()
    };
    let mut pair = Pair::new(Version::V1, Version::V1, wide()).await;
    pair.acceptors.update_limits(limits).unwrap();
    for number in 0..3 {
        send(&mut pair.dialers, numbered(number, 1000)).await;
    }
    for number in 0..2 {
        assert_eq!(recv_number(&mut pair.acceptors).await, number);
    }
    // Behind the third, which is skipped.
    let done = pair
        .dialer
        .stream(pair.acceptor.id(), "done")
        .open()
        .unwrap();
    let mut is_done = pair
        .acceptor
        .stream(pair.dialer.id(), "done")
        .open()
        .unwrap();
    let _ = done.send("done").unwrap();
    recv(&mut is_done).await;

    let heard = recorder.of(2);
    let value = |name: &str| heard.get(name).unwrap_or_else(|| panic!("no {name}")).0;
    assert_eq!(value("ragep2p_host_inbound_dials_total"), 1.0);
    assert_eq!(value("ragep2p_peer_conn_established_total"), 1.0);
    assert_eq!(value("ragep2p_peer_conn_established_inbound_total"), 1.0);
    assert_eq!(value("ragep2p_peer_conn_read_skipped_bytes_total"), 1000.0);
    let opens = 2.0 * (37.0 + 4.0) * 2.0;
    let messages = 3.0 * 37.0 + 2000.0 + 37.0 + 4.0;
    let processed = value("ragep2p_peer_conn_read_processed_bytes_total");
    // Streams may have been opened once or twice.
    assert!(
        (messages + opens / 2.0..=messages + opens).contains(&processed),
        "{processed}"
    );
    let raw = value("ragep2p_peer_rawconn_read_bytes_total");
    assert!(raw > processed + 1000.0, "{raw}");
    for name in [
        "ragep2p_peer_conn_written_bytes_total",
        "ragep2p_peer_rawconn_written_bytes_total",
        "ragep2p_peer_rawconn_rate_limit_rate",
        "ragep2p_peer_rawconn_rate_limit_capacity",
        "ragep2p_peer_messages_rate_limit_rate",
        "ragep2p_peer_messages_rate_limit_capacity",
        "ragep2p_peer_bytes_rate_limit_rate",
        "ragep2p_peer_bytes_rate_limit_capacity",
    ] {
        assert!(value(name) > 0.0, "{name}");
        assert_eq!(heard[name].1, ["peer_id", "remote_peer_id"], "{name}");
    }
    assert_eq!(heard["ragep2p_host_inbound_dials_total"].1, ["peer_id"]);

    let sent = recorder.of(1);
    assert_eq!(sent["ragep2p_experimental_peer_message_bytes"].0, 4.0);
}
