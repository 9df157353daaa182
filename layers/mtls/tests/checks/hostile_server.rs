//! Servers that do not keep to the protocol.

use std::sync::atomic::Ordering;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{SignatureScheme, crypto::ring, sign::CertifiedKey, version::TLS12};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_multiserver_core::{ErrorKind, Identity, Transform};
use tower_multiserver_mtls::{MtlsLayer, Reason};

use crate::{raw, support::*};

/// How a client ends that dials `who`, the alert that its server is told, and whether the client showed who it is.
async fn refused(who: &Identity, own: CertifiedKey) -> (Upgraded, u8, bool) {
    let (near, far) = tokio::io::duplex(1000);
    let (config, looks) = raw::server(own);
    let (client, server) = tokio::join!(
        MtlsLayer::new(identity()).upgrade(pipe(near), to(who)),
        raw::accept(config, far),
    );
    let alert = raw::alert(&server.unwrap_err());
    (client, alert, looks.was_shown.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_client_shows_itself_to_nobody_but_the_key_that_it_dials() {
    let (bob, eve) = (identity(), identity());
    let pair = raw::key_pair(&bob);
    let good = raw::certificate(&pair);
    let by_bob = |chain| raw::showing(chain, &pair, SignatureScheme::ED25519);
    let by_eve = |chain| raw::showing(chain, &raw::key_pair(&eve), SignatureScheme::ED25519);
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let of_ecdsa = vec![raw::certificate(&ecdsa)];
    let by_ecdsa = SignatureScheme::ECDSA_NISTP256_SHA256;
    for (what, own, expected, told) in [
        ("of another key", raw::honest(&eve), Reason::WrongKey, 42),
        (
            "two",
            by_bob(vec![good.clone(), good.clone()]),
            Reason::BadCertificate,
            42,
        ),
        (
            "of P-256",
            raw::showing(of_ecdsa, &ecdsa, by_ecdsa),
            Reason::BadCertificate,
            42,
        ),
        (
            "no DER",
            by_bob(vec![vec![0xff; 178].into()]),
            Reason::BadCertificate,
            42,
        ),
        ("stolen", by_eve(vec![good.clone()]), Reason::Unproven, 51),
    ] {
        let (client, alert, was_shown) = refused(&bob, own).await;
        assert_eq!(reason(&client), Some(expected), "{what}");
        assert_eq!(client.unwrap_err().kind(), ErrorKind::Certificate, "{what}");
        assert_eq!(alert, told, "{what}");
        assert!(!was_shown, "{what}");
    }
}

#[tokio::test]
async fn a_server_of_an_older_tls_is_refused() {
    let bob = identity();
    let (near, far) = tokio::io::duplex(1000);
    let versions = [&TLS12];
    let (config, _) = raw::server_of(ring::default_provider(), &versions, raw::honest(&bob));
    let (client, server) = tokio::join!(
        MtlsLayer::new(identity()).upgrade(pipe(near), to(&bob)),
        raw::accept(config, far),
    );
    // It was not offered what it speaks, and says so.
    assert!(server.is_err());
    assert_eq!(reason(&client), Some(Reason::Alert(70)));
    assert_eq!(client.unwrap_err().kind(), ErrorKind::Handshake);
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    for said in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0; 97]] {
        let (near, mut far) = tokio::io::duplex(1000);
        far.write_all(said).await.unwrap();
        let client = MtlsLayer::new(identity()).upgrade(pipe(near), to(&identity()));
        let client = client.await;
        assert_eq!(reason(&client), Some(Reason::Violation));
        assert_eq!(client.unwrap_err().kind(), ErrorKind::Handshake);
    }
}

#[tokio::test]
async fn a_server_that_closes_is_gone() {
    let (near, mut far) = tokio::io::duplex(10_000);
    let close = async {
        far.read_exact(&mut [0; 5]).await.unwrap();
        drop(far);
    };
    let client = MtlsLayer::new(identity()).upgrade(pipe(near), to(&identity()));
    let (client, ()) = tokio::join!(client, close);
    assert_eq!(reason(&client), Some(Reason::Gone));
    assert_eq!(client.unwrap_err().kind(), ErrorKind::Handshake);
}
