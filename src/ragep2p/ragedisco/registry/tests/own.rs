//! Our own announcement.

use super::*;

fn assert_broadcast(send: &[Outgoing], own: &Announcement) {
    let to: BTreeSet<_> = send.iter().map(|outgoing| outgoing.to).collect();
    assert_eq!(to, BTreeSet::from([2, 3, 9].map(peer)));
    assert_eq!(send.len(), 3);
    let message = Message::Announcement(own.clone());
    assert!(send.iter().all(|outgoing| outgoing.message == message));
    assert_eq!(unverified(own).verify().as_ref(), Ok(own));
}

#[test]
fn other_addresses_of_ours_are_announced_at_once_with_the_next_counter() {
    let mut registry = registry();
    assert_eq!(registry.own().counter(), 0);
    let same = registry.set_endpoints(endpoints(&[OURS]));
    assert_eq!(same, Ok(Vec::new()));
    assert_eq!(registry.own().counter(), 0);

    let both = endpoints(&[OURS, "10.0.0.1:2"]);
    let send = registry.set_endpoints(both.clone()).expect("announced");
    assert_eq!(
        (registry.own().counter(), registry.own().endpoints()),
        (1, &both)
    );
    assert_broadcast(&send, registry.own());

    let swapped = endpoints(&["10.0.0.1:2", OURS]);
    let send = registry.set_endpoints(swapped).expect("announced");
    assert_eq!(registry.own().counter(), 2);
    assert_broadcast(&send, registry.own());
}

#[test]
fn a_stale_announcement_of_ours_is_outbid_and_the_new_one_broadcast() {
    let mut registry = registry();
    let received = registry.receive(peer(2), told(&announcement(US, "10.9.9.9:9", 41)));
    assert_eq!(registry.own().counter(), 42);
    assert_eq!(registry.own().endpoints(), &endpoints(&[OURS]));
    assert_broadcast(&received.send, registry.own());
    assert!(received.learned.is_empty() && received.refused.is_empty());

    // With the counter that ours has, too; and not with a lower one.
    let received = registry.receive(peer(2), told(&announcement(US, "10.9.9.9:9", 42)));
    assert_eq!(registry.own().counter(), 43);
    assert_broadcast(&received.send, registry.own());
    let received = registry.receive(peer(2), told(&announcement(US, "10.9.9.9:9", 42)));
    assert_eq!(received, Received::default());
    assert_eq!(registry.own().counter(), 43);
}

#[test]
fn an_announcement_of_ours_with_our_addresses_is_taken_over_without_a_word() {
    let mut registry = registry();
    let received = registry.receive(peer(2), told(&announcement(US, OURS, 7)));
    assert_eq!(received, Received::default());
    assert_eq!(registry.own().counter(), 7);
}

#[test]
fn a_forged_announcement_of_ours_changes_nothing() {
    let mut registry = registry();
    let mut forged = unverified(&announcement(2, "10.9.9.9:9", 41));
    forged.announcer = peer(US);
    let received = registry.receive(peer(2), Incoming::Announcement(forged));
    assert_eq!(received.refused, [(peer(US), Refusal::Signature)]);
    assert_eq!((registry.own().counter(), received.send.len()), (0, 0));
}

#[test]
fn above_the_highest_counter_there_is_none() {
    let mut registry = registry();
    let last = announcement(US, "10.9.9.9:9", u64::MAX);
    let received = registry.receive(peer(2), told(&last));
    assert_eq!(received.refused, [(peer(US), Refusal::LastOfOurs)]);
    assert_eq!(registry.own().endpoints(), &endpoints(&[OURS]));

    registry.receive(peer(2), told(&announcement(US, OURS, u64::MAX)));
    assert_eq!(registry.own().counter(), u64::MAX);
    let moved = registry.set_endpoints(endpoints(&["10.0.0.1:2"]));
    assert_eq!(moved, Err(CounterSpent));
    assert_eq!(registry.own().endpoints(), &endpoints(&[OURS]));

    let before_the_last = announcement(US, "10.9.9.9:9", u64::MAX - 1);
    let mut registry = super::registry();
    registry.receive(peer(2), told(&before_the_last));
    assert_eq!(registry.own().counter(), u64::MAX);
}

mod warning {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when our counter gets from `counter` to the next.
    fn logged(counter: u64) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            registry().receive(peer(2), told(&announcement(US, "10.9.9.9:9", counter)));
        });
        let bytes = log.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_counter_above_100_million_is_warned_of() {
        assert_eq!(logged(99_999_999), "");
        let warning = logged(100_000_000);
        assert!(
            warning.contains("WARN") && warning.contains("counter=100000001"),
            "{warning}"
        );
    }
}

#[test]
fn what_we_announced_before_a_restart_elsewhere_is_outbid_when_it_is_loaded() {
    let mut registry = registry();
    let received = registry.load([Entry::of(&announcement(US, "10.9.9.9:9", 5))]);
    assert_eq!(registry.own().counter(), 6);
    assert_broadcast(&received.send, registry.own());
}
