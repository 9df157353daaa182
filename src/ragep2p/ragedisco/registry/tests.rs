use tower_multiserver_core::PublicKey;

use super::{
    super::testing::{announcement, endpoints, identity, peer, unverified},
    *,
};

mod own;

const US: u8 = 1;
const OURS: &str = "10.0.0.1:1";

fn digest(number: u8) -> GroupDigest {
    GroupDigest::from_bytes([number; 32])
}

/// Ourselves, in one group with 2 and 3, and the bootstrapper 9.
fn registry() -> Registry {
    let mut registry = Registry::new(identity(US), endpoints(&[OURS]));
    let group =
        Group::new([US, 2, 3].map(peer)).bootstrapper(peer(9), [address("net:b.example:9")]);
    registry.add_group(digest(0), group).expect("added");
    registry
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn told(announcement: &Announcement) -> Incoming {
    Incoming::Announcement(unverified(announcement))
}

fn found(registry: &Registry, seed: u8) -> Vec<String> {
    let found = registry.find(peer(seed)).into_iter();
    found.map(|address| address.to_string()).collect()
}

/// Who is told of whom, by seed.
fn knowledge(registry: &Registry) -> BTreeSet<(u8, u8)> {
    let seed = |id: PeerId| (0..=u8::MAX).find(|seed| peer(*seed) == id).expect("ours");
    let mut all = BTreeSet::new();
    for Outgoing { to, message } in registry.reconcile() {
        let Message::Reconcile(announcements) = message else {
            panic!("no reconcile");
        };
        let told = announcements
            .iter()
            .map(|of| (seed(to), seed(of.announcer())));
        all.extend(told);
    }
    all
}

#[test]
fn an_announcement_counts_if_its_counter_is_higher_and_lower_or_equal_ones_are_ignored() {
    let mut registry = registry();
    let first = registry.receive(peer(3), told(&announcement(2, "10.0.0.2:5", 5)));
    assert_eq!(first.learned, [peer(2)]);
    assert_eq!(found(&registry, 2), ["net:10.0.0.2:5"]);

    for counter in [0, 4, 5] {
        let old = registry.receive(peer(2), told(&announcement(2, "10.0.0.2:4", counter)));
        assert_eq!(old, Received::default(), "{counter}");
        assert_eq!(found(&registry, 2), ["net:10.0.0.2:5"]);
    }
    for counter in [6, u64::MAX] {
        let text = format!("10.0.0.2:{}", counter % 1000);
        let new = registry.receive(peer(2), told(&announcement(2, &text, counter)));
        assert_eq!(new.learned, [peer(2)], "{counter}");
        assert_eq!(found(&registry, 2), [format!("net:{text}")]);
    }
    let after_the_last = registry.receive(peer(2), told(&announcement(2, "10.0.0.2:1", 0)));
    assert_eq!(after_the_last, Received::default());
}

#[test]
fn only_oracles_of_our_groups_are_believed_and_each_for_itself() {
    let mut registry = registry();
    let mut forged = unverified(&announcement(2, "10.0.0.2:1", 1));
    forged.counter = 2;
    let mut foreign = unverified(&announcement(4, "10.0.0.4:1", 1));
    foreign.announcer = peer(3);
    let message = Incoming::Reconcile(vec![
        unverified(&announcement(4, "10.0.0.4:1", 1)),
        unverified(&announcement(9, "10.0.0.9:1", 1)),
        forged,
        foreign,
        unverified(&announcement(2, "10.0.0.2:7", 0)),
    ]);
    let received = registry.receive(peer(3), message);
    assert_eq!(received.learned, [peer(2)]);
    assert_eq!(
        received.refused,
        [
            (peer(4), Refusal::NoOracle),
            (peer(9), Refusal::NoOracle),
            (peer(2), Refusal::Signature),
            (peer(3), Refusal::Signature),
        ]
    );
    assert_eq!(found(&registry, 2), ["net:10.0.0.2:7"]);
    assert!(found(&registry, 3).is_empty() && found(&registry, 4).is_empty());
    assert_eq!(found(&registry, 9), ["net:b.example:9"]);
}

#[test]
fn nothing_counts_that_a_peer_of_no_group_says() {
    let mut registry = registry();
    let news = announcement(2, "10.0.0.2:1", 0);
    let received = registry.receive(peer(4), told(&news));
    assert_eq!(received.refused, [(peer(4), Refusal::Stranger)]);
    assert!(found(&registry, 2).is_empty());
    assert_eq!(registry.receive(peer(9), told(&news)).learned, [peer(2)]);
}

#[test]
fn a_peer_is_told_of_the_oracles_of_its_groups_and_of_nobody_else() {
    let mut registry = registry();
    let group = Group::new([3, 4].map(peer)).bootstrapper(peer(2), []);
    registry.add_group(digest(1), group).expect("added");
    for seed in [2, 3, 4] {
        let text = format!("10.0.0.{seed}:1");
        registry.receive(peer(9), told(&announcement(seed, &text, 0)));
    }
    let mut expected = BTreeSet::new();
    for (to, of) in [
        (2, &[1, 2, 3, 4][..]),
        (3, &[1, 2, 3, 4]),
        (4, &[3, 4]),
        (9, &[1, 2, 3]),
    ] {
        expected.extend(of.iter().map(|of| (to, *of)));
    }
    assert_eq!(knowledge(&registry), expected);
}

#[test]
fn a_bootstrapper_tells_nobody_of_itself() {
    let mut registry = Registry::new(identity(9), endpoints(&["10.0.0.9:1"]));
    let group = Group::new([2, 3].map(peer)).bootstrapper(peer(9), [address("net:b.example:9")]);
    registry.add_group(digest(0), group).expect("added");
    assert_eq!(registry.reconcile(), []);
    let moved = registry.set_endpoints(endpoints(&["10.0.0.9:2"]));
    assert_eq!(moved, Ok(Vec::new()));
    registry.receive(peer(2), told(&announcement(2, "10.0.0.2:1", 0)));
    assert_eq!(knowledge(&registry), BTreeSet::from([(2, 2), (3, 2)]));
}

#[test]
fn bootstrapper_addresses_come_first_in_any_order_and_nothing_twice() {
    let mut registry = registry();
    let many = [
        "net:a.example:2",
        "net:10.0.0.2:1",
        "net:c.example:2",
        "net:d.example:2",
    ];
    let group = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|text| address(text));
        Group::new([2, 3].map(peer)).bootstrapper(peer(2), addresses)
    };
    registry.add_group(digest(1), group(&many)).expect("added");
    registry
        .add_group(digest(2), group(&many[..2]))
        .expect("added");
    let list = endpoints(&["10.0.0.2:2", "10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:02"]);
    let announced = Announcement::sign(&identity(2), list, 0);
    registry.receive(peer(3), told(&announced));

    let mut orders = BTreeSet::new();
    for _ in 0..200 {
        let mut found = found(&registry, 2);
        assert_eq!(found.split_off(4), ["net:10.0.0.2:2"]);
        orders.insert(found.clone());
        found.sort_unstable();
        let mut expected = many;
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
    assert!(orders.len() > 5, "{} of 24 orders", orders.len());
    assert!(found(&registry, 7).is_empty());
}

#[test]
fn all_groups_together_have_165_oracles_at_most() {
    let oracle = |number: u8| PeerId::from(PublicKey::from_bytes([number; 32]));
    let mut registry = Registry::new(identity(US), endpoints(&[OURS]));
    let group = Group::new((0..165).map(oracle));
    registry.add_group(digest(0), group.clone()).expect("165");
    let before = registry.peers();

    let one_more = Group::new([oracle(0), oracle(200)]);
    let refused = registry.add_group(digest(1), one_more.clone());
    assert_eq!(refused, Err(GroupError::TooManyOracles));
    assert_eq!(registry.peers(), before);

    let the_same = registry
        .add_group(digest(1), group)
        .expect("no more oracles");
    assert_eq!(the_same, Added::default());
    let bootstrapper = Group::new([oracle(0)]).bootstrapper(oracle(200), []);
    let added = registry.add_group(digest(2), bootstrapper).expect("added");
    assert_eq!(
        (added.peers, added.oracles),
        (vec![oracle(200)], Vec::new())
    );

    registry.remove_group(digest(0)).expect("was there");
    registry.remove_group(digest(1)).expect("was there");
    registry.add_group(digest(1), one_more).expect("room again");
}

#[test]
fn a_group_says_which_peers_come_and_go_with_it() {
    let mut registry = Registry::new(identity(US), endpoints(&[OURS]));
    let first = Group::new([US, 2, 3].map(peer)).bootstrapper(peer(9), []);
    let added = registry.add_group(digest(0), first.clone()).expect("added");
    let sorted = |seeds: &[u8]| {
        let mut peers: Vec<_> = seeds.iter().map(|seed| peer(*seed)).collect();
        peers.sort_unstable();
        peers
    };
    let in_order = |mut peers: Vec<PeerId>| {
        peers.sort_unstable();
        peers
    };
    assert_eq!(in_order(added.peers), sorted(&[2, 3, 9]));
    assert_eq!(in_order(added.oracles), sorted(&[US, 2, 3]));
    assert_eq!(
        registry.add_group(digest(0), first),
        Err(GroupError::Exists)
    );

    let second = Group::new([US, 3, 4, 9].map(peer));
    let added = registry.add_group(digest(1), second).expect("added");
    assert_eq!(added.peers, [peer(4)]);
    assert_eq!(in_order(added.oracles), sorted(&[4, 9]));
    for seed in [2, 3] {
        registry.receive(peer(9), told(&announcement(seed, "10.0.0.2:1", 0)));
    }

    let removed = registry.remove_group(digest(0)).expect("was there");
    assert_eq!(removed.peers, [peer(2)]);
    assert_eq!(
        removed.entries,
        [Entry::of(&announcement(2, "10.0.0.2:1", 0))]
    );
    assert_eq!(registry.remove_group(digest(0)), None);
    assert!(found(&registry, 2).is_empty());
    assert_eq!(found(&registry, 3), ["net:10.0.0.2:1"]);
    assert_eq!(
        in_order(registry.peers().into_iter().collect()),
        sorted(&[3, 4, 9])
    );
}

#[test]
fn what_was_kept_is_verified_when_it_is_loaded() {
    let mut registry = registry();
    for seed in [2, 3] {
        registry.receive(peer(9), told(&announcement(seed, "10.0.0.2:1", 3)));
    }
    let kept = registry.snapshot();
    assert_eq!(kept.len(), 3);

    let mut after = self::registry();
    let loaded = after.load(kept.clone());
    assert_eq!((loaded.learned.len(), loaded.refused.len()), (2, 0));
    assert_eq!(after.snapshot(), kept);

    let of_2 = announcement(2, "10.0.0.2:1", 9);
    let mut damaged = Entry::of(&of_2);
    *damaged.announcement.last_mut().expect("not empty") ^= 1;
    let mut cut = Entry::of(&of_2);
    cut.announcement.pop();
    let mut anothers = Entry::of(&of_2);
    anothers.peer = peer(3);
    let foreign = Entry::of(&announcement(4, "10.0.0.4:1", 0));
    let loaded = after.load([damaged, cut, anothers, foreign]);
    assert_eq!(
        loaded.refused,
        [
            (peer(2), Refusal::Signature),
            (peer(2), Refusal::Entry),
            (peer(3), Refusal::Entry),
            (peer(4), Refusal::NoOracle),
        ]
    );
    assert_eq!(after.snapshot(), kept);
}
