use proptest::prelude::*;

use super::{
    super::testing::{announcement, endpoints, identity, unverified},
    *,
};

/// Sent by Go's ragedisco (libocr 0a5e2f907dda) with the key of seed 11 x 32, and taken off its stream.
const SNIFFED: &str = "1a86010a83010a0e3132372e302e302e313a373830310a0d31302e312e322e333a34353637\
    1a20d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737\
    2240a11fecacf47d7ffce128983d7171e16c82b77e5bdb1ba73b6234b9ffa02a80f2\
    c48e8601cbf20ced3af4c1b96fd647fc301cabde9036a9682cf29431c247a004";

const LONGEST: &str = "[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535";

fn raw() -> proto::SignedAnnouncement {
    proto::SignedAnnouncement::from(&announcement(1, "10.0.0.1:1", 5))
}

fn reconcile(announcements: Vec<proto::SignedAnnouncement>) -> Vec<u8> {
    let kind = proto::Kind::Reconcile(proto::Reconcile { announcements });
    proto::MessageWrapper { kind: Some(kind) }.encode_to_vec()
}

fn single(announcement: proto::SignedAnnouncement) -> Vec<u8> {
    let kind = proto::Kind::Announcement(announcement);
    proto::MessageWrapper { kind: Some(kind) }.encode_to_vec()
}

#[test]
fn the_reconcile_of_a_go_peer_is_read_verified_and_written_again_byte_by_byte() {
    let bytes = hex::decode(SNIFFED).expect("hex");
    assert_eq!(bytes.len(), 137);
    let Ok(Incoming::Reconcile(read)) = Incoming::decode(&bytes) else {
        panic!("not a reconcile");
    };
    let verified: Result<Vec<_>, _> = read.into_iter().map(Unverified::verify).collect();
    let verified = verified.expect("good signatures");

    let list = endpoints(&["127.0.0.1:7801", "10.1.2.3:4567"]);
    assert_eq!(verified, [Announcement::sign(&identity(0x11), list, 0)]);
    assert_eq!(Message::Reconcile(verified).encode(), bytes);
}

#[test]
fn a_message_is_read_as_it_was_written() {
    let [one, two] = [
        announcement(1, "10.0.0.1:00080", 0),
        announcement(2, "[::1]:1", u64::MAX),
    ];
    let single = Message::Announcement(one.clone()).encode();
    assert_eq!(
        Incoming::decode(&single),
        Ok(Incoming::Announcement(unverified(&one)))
    );

    let all = Message::Reconcile(vec![one.clone(), two.clone()]).encode();
    let expected = Incoming::Reconcile(vec![unverified(&one), unverified(&two)]);
    assert_eq!(Incoming::decode(&all), Ok(expected));

    let none = Message::Reconcile(Vec::new()).encode();
    assert_eq!(Incoming::decode(&none), Ok(Incoming::Reconcile(Vec::new())));
}

#[test]
fn a_reconcile_of_165_counts_and_one_of_166_is_dropped() {
    let Ok(Incoming::Reconcile(read)) = Incoming::decode(&reconcile(vec![raw(); 165])) else {
        panic!("not a reconcile");
    };
    assert_eq!(read.len(), 165);
    let more = Incoming::decode(&reconcile(vec![raw(); 166]));
    assert_eq!(more, Err(Malformed::Announcements));
}

#[test]
fn all_that_the_largest_groups_can_know_fits_into_a_message() {
    let longest = Announcement::sign(&identity(1), endpoints(&[LONGEST; 10]), u64::MAX);
    assert_eq!(longest.to_bytes().len(), 661);
    let message = Message::Reconcile(vec![longest; MAX_ORACLES]).encode();
    assert!(message.len() <= MAX_MESSAGE_LEN, "{}", message.len());
    assert!(Incoming::decode(&message).is_ok());
}

#[test]
fn one_announcement_without_form_takes_the_whole_message_with_it() {
    let mut addresses: Vec<Vec<Vec<u8>>> = vec![Vec::new(), vec![b"10.0.0.1:1".to_vec(); 11]];
    for malformed in [
        &b""[..],
        b"example.org:1",
        b"[fe80::1%eth0]:1",
        b"\xff",
        &[b'1'; 54],
    ] {
        addresses.push(vec![b"10.0.0.1:1".to_vec(), malformed.to_vec()]);
    }
    let wrong_addresses = addresses.into_iter().map(|addresses| {
        let expected = match addresses.len() {
            2 => Malformed::Endpoint,
            _ => Malformed::Endpoints,
        };
        (proto::SignedAnnouncement { addresses, ..raw() }, expected)
    });
    let wrong_keys = [0, 31, 33].map(|len| {
        let public_key = vec![7; len];
        (
            proto::SignedAnnouncement {
                public_key,
                ..raw()
            },
            Malformed::Key,
        )
    });
    let signature = Vec::new();
    let unsigned = (
        proto::SignedAnnouncement { signature, ..raw() },
        Malformed::Unsigned,
    );
    for (wrong, expected) in wrong_addresses.chain(wrong_keys).chain([unsigned]) {
        assert_eq!(Incoming::decode(&single(wrong.clone())), Err(expected));
        assert_eq!(
            Incoming::decode(&reconcile(vec![raw(), wrong])),
            Err(expected)
        );
    }
}

#[test]
fn a_bad_signature_spoils_no_more_than_its_announcement() {
    let mut forged = raw();
    forged.signature.truncate(63);
    let Ok(Incoming::Reconcile(read)) = Incoming::decode(&reconcile(vec![forged, raw()])) else {
        panic!("not a reconcile");
    };
    let verified: Vec<_> = read.into_iter().map(|read| read.verify().is_ok()).collect();
    assert_eq!(verified, [false, true]);
}

#[test]
fn what_is_no_message_is_an_error() {
    assert_eq!(Incoming::decode(b""), Err(Malformed::Unknown));
    // Fields that no message has are passed over.
    assert_eq!(Incoming::decode(&[0x0a, 0]), Err(Malformed::Unknown));
    assert_eq!(Incoming::decode(&[0x12, 0]), Err(Malformed::Endpoints));
    assert_eq!(
        Incoming::decode(&[0x1a, 0]),
        Ok(Incoming::Reconcile(Vec::new()))
    );
    assert_eq!(Incoming::decode(&[0x1a, 1]), Err(Malformed::Encoding));
    assert_eq!(Incoming::decode(&[0xff; 20]), Err(Malformed::Encoding));
}

#[test]
fn a_message_of_empty_announcements_alone_or_a_longer_one_is_dropped() {
    // The most announcements that one of this length can have.
    let count = (MAX_MESSAGE_LEN - 4) / 2;
    let most = reconcile(vec![proto::SignedAnnouncement::default(); count]);
    assert_eq!(most.len(), MAX_MESSAGE_LEN);
    assert_eq!(Incoming::decode(&most), Err(Malformed::Announcements));

    let too_long = [&most[..], &[0]].concat();
    assert_eq!(Incoming::decode(&too_long), Err(Malformed::TooLong));
    assert_eq!(Unverified::from_bytes(&too_long), Err(Malformed::TooLong));
}

/// Reads and verifies; whatever comes of it is told again in the same words.
fn try_all(bytes: &[u8]) {
    let read = match Incoming::decode(bytes) {
        Ok(Incoming::Announcement(read)) => vec![read],
        Ok(Incoming::Reconcile(read)) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(read.len() <= MAX_ORACLES);
    for verified in read.into_iter().filter_map(|read| read.verify().ok()) {
        let again = Unverified::from_bytes(&verified.to_bytes()).expect("of good form");
        assert_eq!(again.verify(), Ok(verified));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all(&bytes);
        let _ = Unverified::from_bytes(&bytes);
    }

    #[test]
    fn no_mutation_of_a_message_makes_the_reader_panic(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = hex::decode(SNIFFED).expect("hex");
        bytes.extend(Message::Announcement(announcement(1, "[::1]:1", 300)).encode());
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        try_all(&bytes);
    }
}
