//! Each connection has a whole handshake of its own.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::{
    ClientConnection, HandshakeKind, NamedGroup, ServerConnection,
    client::{
        ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
        Tls13ClientSessionValue,
    },
    pki_types::ServerName,
    server::ServerSessionMemoryCache,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_multiserver_core::{Role, Transform};
use tower_multiserver_mtls::MtlsLayer;

use crate::{
    middleman::{server, three_records},
    raw,
    support::*,
};

/// Counts the tickets that it keeps.
#[derive(Debug)]
struct Tickets {
    kept: ClientSessionMemoryCache,
    count: AtomicUsize,
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.kept.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.kept.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.take_tls13_ticket(name)
    }
}

fn tickets() -> Arc<Tickets> {
    let (kept, count) = (ClientSessionMemoryCache::new(8), AtomicUsize::new(0));
    Arc::new(Tickets { kept, count })
}

#[tokio::test]
async fn a_client_that_would_resume_gets_no_ticket_and_no_early_word() {
    let (alice, bob) = (identity(), identity());
    let tickets = tickets();
    let mut config = raw::client(Some(raw::honest(&alice)));
    config.resumption = Resumption::store(tickets.clone());
    config.enable_early_data = true;
    let config = Arc::new(config);
    let server = MtlsLayer::new(bob);
    for _ in 0..2 {
        let (near, far) = tokio::io::duplex(10_000);
        let (client, server) = tokio::join!(
            raw::connect(config.clone(), near),
            server.clone().upgrade(pipe(far), Role::Accept),
        );
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.write_all(b"hello").await.unwrap();
        server.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        let kind = client.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Full));
        assert_eq!(tickets.count.load(Ordering::Relaxed), 0);
    }
}

/// A ticket of a server that hands them out, shown to ours, with a word right behind it.
#[test]
fn a_ticket_from_elsewhere_opens_nothing_and_an_early_word_is_not_heard() {
    let tickets = tickets();
    let mut config = raw::client(Some(raw::honest(&identity())));
    config.resumption = Resumption::store(tickets.clone());
    config.enable_early_data = true;
    let config = Arc::new(config);
    let client = || ClientConnection::new(config.clone(), raw::no_name()).unwrap();

    let (mut elsewhere, _) = raw::server(raw::honest(&identity()));
    elsewhere.session_storage = ServerSessionMemoryCache::new(8);
    elsewhere.send_tls13_tickets = 1;
    elsewhere.max_early_data_size = 1000;
    let (mut near, mut far) = (client(), ServerConnection::new(elsewhere.into()).unwrap());
    while near.is_handshaking() || near.wants_write() || far.wants_write() {
        let mut said = Vec::new();
        while near.write_tls(&mut said).unwrap() > 0 {}
        far.read_tls(&mut &said[..]).unwrap();
        far.process_new_packets().unwrap();
        said.clear();
        while far.write_tls(&mut said).unwrap() > 0 {}
        near.read_tls(&mut &said[..]).unwrap();
        near.process_new_packets().unwrap();
    }
    assert_eq!(tickets.count.load(Ordering::Relaxed), 1);

    let mut near = client();
    let mut early = near.early_data().expect("the ticket allows it");
    early.write_all(b"early").unwrap();
    let (mut ours, records) = three_records(server(&identity()), near.into());
    let heard = ours.reads(records.iter().map(Vec::as_slice));
    assert_eq!(heard, (b"onetwoend".to_vec(), None));
}

/// That the counting counts, and that we do not use what we are given.
#[tokio::test]
async fn a_server_that_hands_out_tickets_meets_us_anew_each_time() {
    let bob = identity();
    let (mut config, _) = raw::server(raw::honest(&bob));
    config.session_storage = ServerSessionMemoryCache::new(8);
    config.send_tls13_tickets = 2;
    let config = Arc::new(config);

    let tickets = tickets();
    let mut other = raw::client(Some(raw::honest(&identity())));
    other.resumption = Resumption::store(tickets.clone());
    let other = Arc::new(other);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (near, far) = tokio::io::duplex(10_000);
        let (client, server) = tokio::join!(
            raw::connect(other.clone(), near),
            raw::accept(config.clone(), far),
        );
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(server.get_ref().1.handshake_kind(), Some(expected));
    }
    assert!(tickets.count.load(Ordering::Relaxed) > 0);

    let client = MtlsLayer::new(identity());
    for _ in 0..2 {
        let (near, far) = tokio::io::duplex(10_000);
        let (client, server) = tokio::join!(
            client.clone().upgrade(pipe(near), to(&bob)),
            raw::accept(config.clone(), far),
        );
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.write_all(b"hello").await.unwrap();
        server.shutdown().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"hello");
        let kind = server.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Full));
    }
}
