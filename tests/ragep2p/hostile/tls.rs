//! A knock that was heard and is sent again, by who has not its key: what TLS says to him.

use std::io;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::{
    ClientConfig, Error as TlsError, SignatureScheme, crypto::ring, pki_types::PrivatePkcs8KeyDer,
    version::TLS12,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower_multiserver::{
    Identity,
    knock::message::{self, LENGTH},
    ragep2p::{Host, Version},
};

use super::{raw, support::*};
use crate::lab::{Map, PATIENCE, VERSIONS, dialer, id, identity};

/// Alerts (RFC 8446, section 6).
const BAD_CERTIFICATE: u8 = 42;
const DECRYPT_ERROR: u8 = 51;
const PROTOCOL_VERSION: u8 = 70;
const CERTIFICATE_REQUIRED: u8 = 116;

/// A key of RSA, made for these tests: rcgen makes none.
const RSA: &[u8] = include_bytes!("rsa_key.der");

/// The alert that a client is told who knocked as Mallory, at the latest by its first read. None where it is only cut off.
async fn alert(target: &Target, config: ClientConfig) -> Option<u8> {
    let error = match connect(config, target.knocked().await).await {
        Ok(mut stream) => timeout(PATIENCE, stream.read(&mut [0]))
            .await
            .expect("it is answered")
            .expect_err("nothing is said to him"),
        Err(error) => error,
    };
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(TlsError::AlertReceived(alert)) => Some((*alert).into()),
        _ => None,
    }
}

/// What someone may show, and the alert that he is told.
fn attacks() -> Vec<(&'static str, ClientConfig, Option<u8>)> {
    let mallory = raw::key_pair(&identity(MALLORY));
    let good = raw::certificate(&mallory);
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let rsa = PrivatePkcs8KeyDer::from(RSA);
    let rsa = KeyPair::from_pkcs8_der_and_sign_algo(&rsa, &PKCS_RSA_SHA256).unwrap();
    let as_mallory = |chain| raw::showing(chain, &mallory, SignatureScheme::ED25519);
    let of = |pair, scheme| raw::showing(vec![raw::certificate(pair)], pair, scheme);
    let stolen = raw::showing(
        vec![good.clone()],
        &raw::key_pair(&stranger()),
        SignatureScheme::ED25519,
    );
    let shown = [
        ("another's", raw::honest(&stranger()), Some(BAD_CERTIFICATE)),
        ("stolen", stolen, Some(DECRYPT_ERROR)),
        (
            "two",
            as_mallory(vec![good.clone(), good.clone()]),
            Some(BAD_CERTIFICATE),
        ),
        (
            "a hundred",
            as_mallory(vec![good.clone(); 100]),
            Some(BAD_CERTIFICATE),
        ),
        (
            "of P-256",
            of(&ecdsa, SignatureScheme::ECDSA_NISTP256_SHA256),
            Some(BAD_CERTIFICATE),
        ),
        (
            "of RSA",
            of(&rsa, SignatureScheme::RSA_PSS_SHA256),
            Some(BAD_CERTIFICATE),
        ),
        (
            "cut",
            as_mallory(vec![good[..good.len() - 1].to_vec().into()]),
            Some(BAD_CERTIFICATE),
        ),
        (
            "no DER",
            as_mallory(vec![vec![0xff; 178].into()]),
            Some(BAD_CERTIFICATE),
        ),
        (
            "60 KB",
            as_mallory(vec![vec![0x30; 60_000].into()]),
            Some(BAD_CERTIFICATE),
        ),
        // Refused before it is there, so that what was said is lost with what was not read.
        ("1 MB", as_mallory(vec![vec![0x30; 1 << 20].into()]), None),
    ];
    let shown = shown.map(|(what, own, alert)| (what, raw::client(Some(own)), alert));
    let old = raw::client_of(
        ring::default_provider(),
        &[&TLS12],
        Some(raw::honest(&identity(MALLORY))),
    );
    let others = [
        ("none", raw::client(None), Some(CERTIFICATE_REQUIRED)),
        ("TLS 1.2", old, Some(PROTOCOL_VERSION)),
    ];
    shown.into_iter().chain(others).collect()
}

#[tokio::test]
async fn who_has_not_the_key_is_refused_and_disturbs_nobody() {
    for version in VERSIONS {
        let mut target = Target::new(version).await;
        let mut live = target.attacker().await;
        assert!(live.write(open("test")).await);
        for (what, config, expected) in attacks() {
            let told = alert(&target, config).await;
            if expected.is_some() {
                assert_eq!(told, expected, "{what}");
            }
            // What was claimed to be Mallory was nothing to Mallory.
            assert!(live.write(data("test", what)).await);
            target.hears(what).await;
        }
        let mut socket = target.knocked().await;
        socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        // An alert and no more.
        let heard = heard(&mut socket).await;
        assert_eq!((heard.len(), heard[0]), (7, 0x15), "{heard:x?}");
        assert!(live.is_up().await);
        target.good.round_trip().await;
    }
}

/// Where Bob finds who is not Mallory.
struct Impostor {
    listener: TcpListener,
    bob: Host,
}

impl Impostor {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("net:{}", listener.local_addr().unwrap());
        let map = Map::default();
        map.set(id(MALLORY), [at.parse().unwrap()]);
        let bob = dialer(BOB, Version::V1, &map).await;
        Self { listener, bob }
    }

    /// The next connection, on which Bob has knocked.
    async fn dialed(&self) -> tokio::net::TcpStream {
        let accept = async {
            let (mut socket, _) = self.listener.accept().await?;
            let mut knock = [0; LENGTH];
            socket.read_exact(&mut knock).await?;
            assert_eq!(
                message::check(&knock, id(MALLORY)).unwrap(),
                id(BOB),
                "Bob knocks at Mallory's door"
            );
            io::Result::Ok(socket)
        };
        timeout(PATIENCE, accept).await.unwrap().unwrap()
    }
}

async fn accept(
    who: &Identity,
    socket: tokio::net::TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<tokio::net::TcpStream>> {
    let (config, _) = raw::server(raw::honest(who));
    TlsAcceptor::from(std::sync::Arc::new(config))
        .accept(socket)
        .await
}

#[tokio::test]
async fn a_host_tells_an_impostor_nothing_and_dials_on() {
    let impostor = Impostor::new().await;
    let mut stream = impostor.bob.stream(id(MALLORY), "test").open().unwrap();
    let _ = stream.send("for Mallory alone").unwrap();
    // Of another key.
    let socket = impostor.dialed().await;
    let error = accept(&stranger(), socket).await.unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let told = matches!(inner, Some(TlsError::AlertReceived(alert)) if u8::from(*alert) == BAD_CERTIFICATE);
    assert!(told, "{error:?}");
    // Who closes, who says what is no TLS, who echoes.
    drop(impostor.dialed().await);
    let mut socket = impostor.dialed().await;
    socket
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    heard(&mut socket).await;
    let mut socket = impostor.dialed().await;
    let mut hello = vec![0; 5];
    socket.read_exact(&mut hello).await.unwrap();
    let len = u16::from_be_bytes([hello[3], hello[4]]);
    hello.resize(5 + usize::from(len), 0);
    socket.read_exact(&mut hello[5..]).await.unwrap();
    socket.write_all(&hello).await.unwrap();
    heard(&mut socket).await;
    // At last Mallory.
    let socket = impostor.dialed().await;
    let mut mallory = accept(&identity(MALLORY), socket).await.unwrap();
    mallory.write_all(&open("test")).await.unwrap();
    mallory.write_all(&data("test", "hello")).await.unwrap();
    mallory.flush().await.unwrap();
    assert_eq!(crate::lab::recv(&mut stream).await, b"hello");
    let name = (OPEN, stream_id(b"test"), b"test".to_vec());
    assert_eq!(read(&mut mallory).await.unwrap(), name);
    // It may be said once more.
    let said = loop {
        let said = read(&mut mallory).await.unwrap();
        if said != name {
            break said;
        }
    };
    let message = b"for Mallory alone".to_vec();
    assert_eq!(said, (MESSAGE, stream_id(b"test"), message));
}

/// A dial and its handshake have five seconds.
#[tokio::test]
async fn closing_does_not_wait_for_handshakes_that_hang() {
    let impostor = Impostor::new().await;
    let _stream = impostor.bob.stream(id(MALLORY), "test").open().unwrap();
    // Mute after the knock.
    let _socket = impostor.dialed().await;
    assert!(closes_without_a_deadline(&impostor.bob).await);

    let target = Target::new(Version::V1).await;
    let _mute = (target.connect().await, target.knocked().await);
    assert!(closes_without_a_deadline(&target.host).await);
}
