//! By which certificate a server is known, and how that changes while it runs.

use std::{error::Error as _, fs};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_multiserver::{
    Error, ErrorKind,
    wss::{Certificate, Tls, Unusable, Wss},
};

use crate::lab::{Authority, Dialed, Issued, address, connect, listen};

fn shown(dialed: &Dialed) -> &[u8] {
    let tls: &Tls = dialed.info().get().expect("a fact");
    tls.peer_certificate().expect("a certificate")
}

#[tokio::test]
async fn files_that_are_renewed_are_shown_in_new_handshakes_and_running_connections_go_on() {
    let authority = Authority::new();
    let (first, second) = (authority.here(), authority.here());
    let directory = tempfile::tempdir().expect("a directory");
    let chain = directory.path().join("chain.pem");
    let key = directory.path().join("key.pem");
    let write = |issued: &Issued| {
        // The authority behind it, as authorities hand it out.
        let both = issued.certificate.pem() + &authority.pem();
        fs::write(&chain, both).expect("written");
        fs::write(&key, issued.key.serialize_pem()).expect("written");
    };
    write(&first);
    let certificate = Certificate::from_files(&chain, &key).expect("a pair");
    let server = Wss::new().certificate(certificate.clone());
    let mut server = listen(server, "wss://127.0.0.1:0").await;
    let client = Wss::new().trust(authority.trust());
    let (mut old, mut peer) = connect(&mut server, &client).await;
    assert_eq!(shown(&old), &first.certificate.der()[..]);

    // Half of a renewal: the old pair stays.
    fs::write(&key, second.key.serialize_pem()).expect("written");
    let error = certificate.reload().expect_err("no pair");
    assert_eq!(error.kind(), ErrorKind::Certificate);
    let (dialed, _) = connect(&mut server, &client).await;
    assert_eq!(shown(&dialed), &first.certificate.der()[..]);

    write(&second);
    certificate.reload().expect("a pair");
    let (dialed, _) = connect(&mut server, &client).await;
    assert_eq!(shown(&dialed), &second.certificate.der()[..]);
    old.write_all(b"x").await.expect("open");
    assert_eq!(peer.read_u8().await.expect("open"), b'x');
}

#[tokio::test]
async fn one_in_memory_can_be_replaced_and_reload_leaves_it_as_it_is() {
    let authority = Authority::new();
    let (first, second) = (authority.here(), authority.here());
    let der = [first.certificate.der().to_vec()];
    let certificate = Certificate::from_der(der, first.key.serialize_der()).expect("a pair");
    let server = Wss::new().certificate(certificate.clone());
    let mut server = listen(server, "wss://127.0.0.1:0").await;
    let client = Wss::new().trust(authority.trust());
    certificate.reload().expect("nothing to do");
    let (dialed, _) = connect(&mut server, &client).await;
    assert_eq!(shown(&dialed), &first.certificate.der()[..]);
    certificate.replace(&second.ours());
    let (dialed, _) = connect(&mut server, &client).await;
    assert_eq!(shown(&dialed), &second.certificate.der()[..]);
    assert!(address(&server).starts_with("wss://"));
}

fn cause(error: &Error) -> Option<Unusable> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(unusable) = error.downcast_ref() {
            return Some(*unusable);
        }
        cause = error.source();
    }
    None
}

#[test]
fn what_cannot_be_used_is_refused_at_once_by_file_and_reason_and_without_the_key() {
    let authority = Authority::new();
    let (issued, other) = (authority.here(), authority.here());
    let (chain, key) = (issued.certificate.pem(), issued.key.serialize_pem());
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let short = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cut = &chain[..chain.len() / 2];
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for (chain, key, expected, file) in [
        ("", &*key, Unusable::NoCertificate, "chain"),
        (&*key, &key, Unusable::NoCertificate, "chain"),
        (cut, &key, Unusable::NoCertificate, "chain"),
        (damaged, &key, Unusable::BadCertificate, "chain"),
        (&chain, "", Unusable::NoKey, "key"),
        (&chain, &chain, Unusable::NoKey, "key"),
        (&chain, locked, Unusable::NoKey, "key"),
        (&chain, short, Unusable::BadKey, "key"),
        (
            &chain,
            &other.key.serialize_pem(),
            Unusable::Mismatch,
            "key",
        ),
    ] {
        let error = Certificate::from_pem(chain, key).expect_err("unusable");
        assert_eq!(error.kind(), ErrorKind::Certificate);
        assert_eq!(cause(&error), Some(expected));

        fs::write(path("chain"), chain).expect("written");
        fs::write(path("key"), key).expect("written");
        let error = Certificate::from_files(path("chain"), path("key")).expect_err("unusable");
        assert_eq!(error.kind(), ErrorKind::Certificate);
        assert_eq!(cause(&error), Some(expected));
        let said = format!("{}", error.source().expect("a source"));
        assert!(
            said.contains(path(file).to_str().expect("a path")),
            "{said}"
        );
        let said = format!("{error} {error:?} {said}");
        let secret = key.lines().nth(1).unwrap_or("no secret");
        assert!(!said.contains(secret));
    }
    let error = Certificate::from_files(path("chain"), path("nowhere")).expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error
            .source()
            .expect("a source")
            .to_string()
            .contains("nowhere")
    );
    let error = Certificate::from_der([[0_u8; 0]; 0], []).expect_err("nothing");
    assert_eq!(cause(&error), Some(Unusable::NoKey));
}

#[test]
fn debug_shows_no_key() {
    let authority = Authority::new();
    let issued = authority.here();
    let shown = format!(
        "{:?}",
        Wss::new()
            .certificate(issued.ours())
            .trust(authority.trust())
    );
    assert!(shown.len() < 1000 && shown.contains("Roots(1)"), "{shown}");
}
