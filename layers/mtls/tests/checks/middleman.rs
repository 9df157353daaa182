//! Who sits between the two and sends on what was said elsewhere, before, twice, or in another order.

use std::{io::Write as _, sync::Arc, task::Poll};

use rustls::{ClientConnection, Connection as Tls, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_test::task::{Spawn, spawn};
use tower_multiserver_core::{Identity, Role, Transform};
use tower_multiserver_mtls::{MtlsLayer, Reason};

use crate::{raw, support::*};

/// One of ours, to whom the middleman alone speaks.
pub(crate) struct Peer<F> {
    upgrade: Spawn<F>,
    upgraded: Option<Upgraded>,
    io: DuplexStream,
}

fn client(who: &Identity, server: &Identity) -> Peer<impl Future<Output = Upgraded> + use<>> {
    let (near, far) = tokio::io::duplex(100_000);
    let (who, role) = (MtlsLayer::new(who.clone()), to(server));
    Peer::new(who.upgrade(pipe(near), role), far)
}

pub(crate) fn server(who: &Identity) -> Peer<impl Future<Output = Upgraded> + use<>> {
    let (near, far) = tokio::io::duplex(100_000);
    let who = MtlsLayer::new(who.clone());
    Peer::new(who.upgrade(pipe(near), Role::Accept), far)
}

impl<F: Future<Output = Upgraded>> Peer<F> {
    fn new(upgrade: F, io: DuplexStream) -> Self {
        Self {
            upgrade: spawn(upgrade),
            upgraded: None,
            io,
        }
    }

    /// What it answers to that.
    fn hears(&mut self, said: &[u8]) -> Vec<u8> {
        let write = spawn(self.io.write_all(said)).poll();
        assert!(write.is_ready());
        let mut answer = Vec::new();
        loop {
            if self.upgraded.is_none()
                && let Poll::Ready(upgraded) = self.upgrade.poll()
            {
                self.upgraded = Some(upgraded);
            }
            match spawn(self.io.read_buf(&mut answer)).poll() {
                Poll::Ready(Ok(count)) if count > 0 => {}
                _ => return answer,
            }
        }
    }

    fn reason(&self) -> Option<Reason> {
        reason(self.upgraded.as_ref()?)
    }

    /// What it hears of its peer when these records come one by one, and what it minds.
    pub(crate) fn reads<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<u8>, Option<Reason>) {
        let mut text = Vec::new();
        for record in records {
            self.hears(record);
            let stream = self.upgraded.as_mut().unwrap().as_mut().unwrap();
            if let Poll::Ready(Err(error)) = spawn(stream.read_buf(&mut text)).poll() {
                return (text, Some(failure(&error).1));
            }
        }
        (text, None)
    }
}

/// Whether that is nothing but an alert: a record of its own kind, or one that is too short to hold anything else.
fn is_alert(said: &[u8]) -> bool {
    let records = records(said);
    let is_one = |record: &&[u8]| record[0] == 21 || record.len() == 5 + 2 + 1 + 16;
    records.iter().filter(|record| record[0] != 20).all(is_one)
}

fn records(mut said: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while let Some([_, _, _, high, low]) = said.first_chunk() {
        let length = 5 + usize::from(u16::from_be_bytes([*high, *low]));
        let (record, rest) = said.split_at(length);
        records.push(record);
        said = rest;
    }
    records
}

/// What both say in a handshake: the client, the server, the client.
struct Recorded {
    hello: Vec<u8>,
    answer: Vec<u8>,
    proof: Vec<u8>,
}

fn record(alice: &Identity, bob: &Identity) -> Recorded {
    let (mut client, mut server) = (client(alice, bob), server(bob));
    let hello = client.hears(b"");
    let answer = server.hears(&hello);
    let proof = client.hears(&answer);
    assert_eq!(server.hears(&proof), b"");
    assert!(matches!(client.upgraded, Some(Ok(_))));
    assert!(matches!(server.upgraded, Some(Ok(_))));
    Recorded {
        hello,
        answer,
        proof,
    }
}

#[test]
fn what_one_said_is_no_word_of_its_peer() {
    let (alice, bob) = (identity(), identity());
    let mut near = client(&alice, &bob);
    let hello = near.hears(b"");
    assert!(is_alert(&near.hears(&hello)));
    assert_eq!(near.reason(), Some(Reason::Violation));

    let mut far = server(&bob);
    let hello = client(&alice, &bob).hears(b"");
    let answer = far.hears(&hello);
    assert!(is_alert(&far.hears(&answer)));
    assert_eq!(far.reason(), Some(Reason::Violation));

    // Who holds both keys, and dials itself, as who has no other server at hand.
    let (mut near, mut far) = (client(&bob, &bob), server(&bob));
    let answer = far.hears(&near.hears(b""));
    let proof = near.hears(&answer);
    let minds = near.reads([&proof[..]]);
    assert_eq!(minds, (vec![], Some(Reason::Violation)));
}

#[test]
fn a_recorded_handshake_opens_no_later_one() {
    let (alice, bob) = (identity(), identity());
    let recorded = record(&alice, &bob);

    let mut far = server(&bob);
    let answer = far.hears(&recorded.hello);
    assert_ne!(answer, recorded.answer);
    assert!(is_alert(&far.hears(&recorded.proof)));
    assert_eq!(far.reason(), Some(Reason::Violation));

    // All at once, and twice the hello.
    for said in [
        [&recorded.hello[..], &recorded.proof].concat(),
        [&recorded.hello[..], &recorded.hello].concat(),
    ] {
        let mut far = server(&bob);
        far.hears(&said);
        assert_eq!(far.reason(), Some(Reason::Violation));
    }

    let mut near = client(&alice, &bob);
    near.hears(b"");
    assert!(is_alert(&near.hears(&recorded.answer)));
    assert_eq!(near.reason(), Some(Reason::Violation));
}

#[test]
fn messages_of_two_handshakes_are_not_exchanged() {
    let (alice, bob) = (identity(), identity());
    let pair = || {
        let (mut near, mut far) = (client(&alice, &bob), server(&bob));
        let answer = far.hears(&near.hears(b""));
        (near, far, answer)
    };

    let (mut near, _, _) = pair();
    let (_, _, of_another) = pair();
    assert!(is_alert(&near.hears(&of_another)));
    assert_eq!(near.reason(), Some(Reason::Violation));

    let ((mut near, _, answer), (_, mut far, _)) = (pair(), pair());
    let proof = near.hears(&answer);
    assert!(is_alert(&far.hears(&proof)));
    assert_eq!(far.reason(), Some(Reason::Violation));

    // Each record of the answer by itself: the hello of one server and the rest of another, and so on.
    let (_, _, other) = pair();
    let count = records(&other).len();
    assert!(count > 2, "{count}");
    for at in 0..count {
        let (mut near, _, answer) = pair();
        let mut mixed = records(&answer);
        if mixed[at][0] == 20 {
            // Says nothing, and is passed over.
            continue;
        }
        mixed[at] = records(&other)[at];
        assert!(is_alert(&near.hears(&mixed.concat())), "record {at}");
        assert_eq!(near.reason(), Some(Reason::Violation), "record {at}");
    }
}

#[test]
fn the_records_of_a_handshake_keep_their_order() {
    let (alice, bob) = (identity(), identity());
    // The records of the server, then those of the client.
    for of_client in [false, true] {
        for at in 0.. {
            let (mut near, mut far) = (client(&alice, &bob), server(&bob));
            let mut said = far.hears(&near.hears(b""));
            if of_client {
                said = near.hears(&said);
            }
            let mut swapped = records(&said);
            if at + 1 >= swapped.len() {
                break;
            }
            // Those that say nothing may stand anywhere.
            let says_nothing = |record: &&[u8]| record[0] == 20;
            if swapped[at..at + 2].iter().any(says_nothing) {
                continue;
            }
            swapped.swap(at, at + 1);
            let swapped = swapped.concat();
            let reason = if of_client {
                far.hears(&swapped);
                far.reason()
            } else {
                assert!(is_alert(&near.hears(&swapped)));
                near.reason()
            };
            assert_eq!(reason, Some(Reason::Violation), "{of_client} {at}");
        }
    }
}

/// A peer of rustls, met by one of ours, to whom it says three things: a record each.
pub(crate) fn three_records<F: Future<Output = Upgraded>>(
    mut ours: Peer<F>,
    mut theirs: Tls,
) -> (Peer<F>, [Vec<u8>; 3]) {
    let written = |theirs: &mut Tls| {
        let mut said = Vec::new();
        while theirs.wants_write() {
            theirs.write_tls(&mut said).unwrap();
        }
        said
    };
    let mut said = written(&mut theirs);
    while theirs.is_handshaking() || !said.is_empty() {
        let answer = ours.hears(&said);
        let mut rest = &answer[..];
        while !rest.is_empty() {
            theirs.read_tls(&mut rest).unwrap();
            theirs.process_new_packets().unwrap();
        }
        said = written(&mut theirs);
    }
    let records = [b"one", b"two", b"end"].map(|text| {
        theirs.writer().write_all(text).unwrap();
        written(&mut theirs)
    });
    (ours, records)
}

/// What one of ours hears and minds when it gets these of the three records, as a client and as a server.
fn heard(order: &[usize]) -> [(Vec<u8>, Option<Reason>); 2] {
    let (alice, bob) = (identity(), identity());
    let (mut config, _) = raw::server(raw::honest(&bob));
    config.send_tls13_tickets = 0;
    let theirs = ServerConnection::new(Arc::new(config)).unwrap();
    let as_client = three_records(client(&alice, &bob), theirs.into());

    let config = raw::client(Some(raw::honest(&alice)));
    let theirs = ClientConnection::new(config.into(), raw::no_name()).unwrap();
    let as_server = three_records(server(&bob), theirs.into());

    let ((mut client, by_server), (mut server, by_client)) = (as_client, as_server);
    [
        client.reads(order.iter().map(|at| &by_server[*at][..])),
        server.reads(order.iter().map(|at| &by_client[*at][..])),
    ]
}

#[test]
fn a_record_that_is_repeated_dropped_or_swapped_ends_the_stream() {
    for (order, text, minded) in [
        (&[0, 1, 2][..], &b"onetwoend"[..], None),
        (&[0, 0, 1], b"one", Some(Reason::Violation)),
        (&[0, 1, 0], b"onetwo", Some(Reason::Violation)),
        (&[0, 2], b"one", Some(Reason::Violation)),
        (&[1, 0, 2], b"", Some(Reason::Violation)),
        (&[2], b"", Some(Reason::Violation)),
    ] {
        for heard in heard(order) {
            assert_eq!(heard, (text.to_vec(), minded), "{order:?}");
        }
    }
}

#[test]
fn a_record_of_another_connection_ends_the_stream() {
    let (alice, bob) = (identity(), identity());
    let meet = || {
        let config = raw::client(Some(raw::honest(&alice)));
        let theirs = ClientConnection::new(config.into(), raw::no_name()).unwrap();
        three_records(server(&bob), theirs.into())
    };
    let ((mut ours, records), (_, of_another)) = (meet(), meet());
    let heard = ours.reads([&records[0][..], &of_another[1]]);
    assert_eq!(heard, (b"one".to_vec(), Some(Reason::Violation)));
}

/// TLS 1.3 knows no renegotiation.
#[test]
fn a_second_handshake_on_the_same_connection_is_no_part_of_its_stream() {
    let (alice, bob) = (identity(), identity());
    let (mut near, mut far) = (client(&alice, &bob), server(&bob));
    let hello = near.hears(b"");
    let answer = far.hears(&hello);
    far.hears(&near.hears(&answer));
    let another = client(&alice, &bob).hears(b"");
    let heard = far.reads([&another[..]]);
    assert_eq!(heard, (vec![], Some(Reason::Violation)));
    let heard = near.reads([&answer[..]]);
    assert_eq!(heard, (vec![], Some(Reason::Violation)));
}
