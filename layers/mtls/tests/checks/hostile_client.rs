//! Clients that do not keep to the protocol.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{ClientConfig, SignatureScheme, crypto::ring, version::TLS12};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream, DuplexStream, ReadBuf,
};
use tower_multiserver_core::{ErrorKind, Identity, Role, Transform};
use tower_multiserver_mtls::{MtlsLayer, Reason};

use crate::{raw, support::*};

/// How a server ends that expects `who`, and the alert that its client is told.
async fn refused(who: &Identity, config: ClientConfig) -> (Upgraded, u8) {
    let (near, far) = tokio::io::duplex(1000);
    let server = MtlsLayer::new(identity());
    tokio::join!(
        server.upgrade(claimed(far, who), Role::Accept),
        told(config, near)
    )
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_that_one_is_required() {
    let (server, alert) = refused(&identity(), raw::client(None)).await;
    assert_eq!(alert, 116);
    assert_eq!(server.as_ref().unwrap_err().kind(), ErrorKind::Certificate);
    assert_eq!(reason(&server), Some(Reason::NoCertificate));
}

#[tokio::test]
async fn a_bad_certificate_is_told_to_be_one() {
    let (alice, eve) = (identity(), identity());
    let pair = raw::key_pair(&alice);
    let good = raw::certificate(&pair);
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let of_ecdsa = raw::certificate(&ecdsa);
    let by_alice = |chain| raw::showing(chain, &pair, SignatureScheme::ED25519);
    let by_ecdsa = SignatureScheme::ECDSA_NISTP256_SHA256;
    for (what, own, expected) in [
        ("of another key", raw::honest(&eve), Reason::WrongKey),
        (
            "two",
            by_alice(vec![good.clone(), good.clone()]),
            Reason::BadCertificate,
        ),
        (
            "two, the second of another",
            by_alice(vec![good.clone(), raw::certificate(&raw::key_pair(&eve))]),
            Reason::BadCertificate,
        ),
        (
            "of P-256",
            raw::showing(vec![of_ecdsa], &ecdsa, by_ecdsa),
            Reason::BadCertificate,
        ),
        (
            "cut",
            by_alice(vec![good[..good.len() - 1].to_vec().into()]),
            Reason::BadCertificate,
        ),
        (
            "no DER",
            by_alice(vec![vec![0xff; 178].into()]),
            Reason::BadCertificate,
        ),
        (
            "60 KB of no DER",
            by_alice(vec![vec![0x30; 60_000].into()]),
            Reason::BadCertificate,
        ),
    ] {
        let (server, alert) = refused(&alice, raw::client(Some(own))).await;
        assert_eq!(alert, 42, "{what}");
        assert_eq!(reason(&server), Some(expected), "{what}");
        assert_eq!(server.unwrap_err().kind(), ErrorKind::Certificate, "{what}");
    }
}

#[tokio::test]
async fn the_certificate_of_another_proves_nothing() {
    let (alice, eve) = (identity(), identity());
    let stolen = vec![raw::certificate(&raw::key_pair(&alice))];
    let own = raw::showing(stolen, &raw::key_pair(&eve), SignatureScheme::ED25519);
    let (server, alert) = refused(&alice, raw::client(Some(own))).await;
    // decrypt_error
    assert_eq!(alert, 51);
    assert_eq!(reason(&server), Some(Reason::Unproven));
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Certificate);
}

#[tokio::test]
async fn an_alert_is_heard_through_a_transport_that_waits_for_a_flush() {
    let (near, far) = tokio::io::duplex(1000);
    let far = BufStream::new(far);
    let config = raw::client(Some(raw::honest(&identity())));
    let (server, alert) = tokio::join!(
        MtlsLayer::new(identity()).upgrade(claimed(far, &identity()), Role::Accept),
        told(config, near),
    );
    assert_eq!(alert, 42);
    assert_eq!(reason(&server), Some(Reason::WrongKey));
}

#[tokio::test]
async fn an_older_tls_is_told_so() {
    let config = raw::client_of(ring::default_provider(), &[&TLS12], None);
    let (server, alert) = refused(&identity(), config).await;
    // protocol_version
    assert_eq!(alert, 70);
    assert_eq!(reason(&server), Some(Reason::Violation));
    assert_eq!(server.unwrap_err().kind(), ErrorKind::Handshake);
}

#[tokio::test]
async fn what_is_not_tls_gets_an_alert_and_a_close() {
    let mut huge = [0x16; 300];
    huge[1..5].copy_from_slice(&[3, 1, 0xff, 0xff]);
    for said in [
        &b"GET / HTTP/1.1\r\nHost: example.invalid\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
        &[0; 97],
        &huge,
    ] {
        let (mut near, far) = tokio::io::duplex(1000);
        near.write_all(said).await.unwrap();
        let server = MtlsLayer::new(identity()).upgrade(pipe(far), Role::Accept);
        let server = server.await;
        assert_eq!(reason(&server), Some(Reason::Violation));
        assert_eq!(server.unwrap_err().kind(), ErrorKind::Handshake);
        let mut heard = Vec::new();
        near.read_to_end(&mut heard).await.unwrap();
        assert_eq!((heard.len(), heard[0]), (7, 0x15), "{heard:x?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_handshake_is_gone() {
    let hello = hello();
    for said in [&[][..], &hello[..9], &hello] {
        let (mut near, far) = tokio::io::duplex(10_000);
        near.write_all(said).await.unwrap();
        near.shutdown().await.unwrap();
        let server = MtlsLayer::new(identity()).upgrade(pipe(far), Role::Accept);
        let server = server.await;
        assert_eq!(reason(&server), Some(Reason::Gone));
        assert_eq!(server.unwrap_err().kind(), ErrorKind::Handshake);
    }
}

#[tokio::test]
async fn a_certificate_of_64_kib_is_refused_when_its_length_is_read() {
    let alice = identity();
    let long = vec![vec![0x30; 0x1_0000].into()];
    let own = raw::showing(long, &raw::key_pair(&alice), SignatureScheme::ED25519);
    let (near, far) = tokio::io::duplex(1000);
    let count = Arc::new(AtomicUsize::new(0));
    let far = Counted(far, count.clone());
    let server = MtlsLayer::new(identity());
    let (server, _) = tokio::join!(
        async {
            let server = server.upgrade(claimed(far, &alice), Role::Accept);
            server.await.map(drop)
        },
        raw::connect(raw::client(Some(own)), near),
    );
    // Of five records the first, and what lay in the pipe behind it.
    let count = count.load(Ordering::Relaxed);
    assert!((0x4000..0x4000 + 2000).contains(&count), "{count}");
    assert_eq!(reason(&server), Some(Reason::Violation));
}

/// The hello of an ordinary client, as one record.
pub(crate) fn hello() -> Vec<u8> {
    let config = raw::client(Some(raw::honest(&identity())));
    let mut client = rustls::ClientConnection::new(config.into(), raw::no_name()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Counts what is read.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.0).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        self.1.fetch_add(count, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
