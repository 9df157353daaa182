//! Whom a client trusts.

use std::{env, fs, process::Stdio};

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::{
    ServerConfig, crypto::CryptoProvider, server::ResolvesServerCert, sign::CertifiedKey,
};
use tokio::process::Command;
use tower_multiserver::{
    Address, ErrorKind, StackExt as _,
    wss::{Certificate, Pin, Reason, Tls, TlsVersion, Trust, Wss},
};

use crate::lab::{
    Authority, Issued, accept_tls, address, answer, connect, listen, next, provider, reason,
    socket, soon,
};

#[tokio::test]
async fn a_server_of_a_given_authority_is_trusted_and_both_ends_know_of_tls() {
    let authority = Authority::new();
    let issued = authority.here();
    let server = Wss::new().certificate(issued.ours());
    let mut server = listen(server, "wss://127.0.0.1:0/chat").await;
    let client = Wss::new().trust(authority.trust());
    let (dialed, accepted) = connect(&mut server, &client).await;

    let tls: &Tls = dialed.info().get().expect("a fact");
    assert_eq!(tls.version(), TlsVersion::V1_3);
    assert_eq!(tls.peer_certificate(), Some(&issued.certificate.der()[..]));
    assert_eq!(tls.alpn(), Some(&b"http/1.1"[..]));
    let tls: &Tls = accepted.info().get().expect("a fact");
    assert_eq!(tls.version(), TlsVersion::V1_3);
    assert_eq!(tls.peer_certificate(), None);
    assert_eq!(tls.alpn(), Some(&b"http/1.1"[..]));
    assert_eq!(dialed.info().address().to_string(), address(&server));
    let from = accepted.info().address().to_string();
    assert!(from.starts_with("wss://127.0.0.1:"), "{from}");
}

/// What is wrong with a certificate for this machine that `change` changes.
async fn refused(client: &Wss, certificate: Certificate) -> Reason {
    let server = Wss::new().certificate(certificate);
    let mut server = listen(server, "wss://127.0.0.1:0").await;
    let to = address(&server);
    let (dialed, accepted) = tokio::join!(client.dial(&*to), next(&mut server));
    let error = dialed.expect_err("refused");
    assert_eq!(error.address().map(Address::to_string), Some(to));
    // The server is told, and says so.
    let told = accepted.expect_err("refused");
    assert_eq!(told.kind(), ErrorKind::Handshake, "{told:?}");
    let at = told.address().expect("a place").to_string();
    assert!(at.starts_with("wss://127.0.0.1:"), "{at}");
    reason(&error)
}

#[tokio::test]
async fn each_thing_that_can_be_wrong_with_a_certificate_is_told_apart_at_both_ends() {
    let authority = Authority::new();
    let client = Wss::new().trust(authority.trust());
    let name = ["127.0.0.1"];
    for (expected, issued) in [
        (Reason::UnknownIssuer, Authority::called("another").here()),
        (Reason::BadSignature, Authority::new().here()),
        (Reason::WrongName, authority.issue(&["localhost"], |_| ())),
        (
            Reason::Expired,
            authority.issue(&name, |params| params.not_after = date_time_ymd(2020, 1, 1)),
        ),
        (
            Reason::NotYetValid,
            authority.issue(&name, |params| {
                params.not_before = date_time_ymd(4000, 1, 1)
            }),
        ),
        (
            Reason::Invalid,
            authority.issue(&name, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
        ),
    ] {
        assert_eq!(refused(&client, issued.ours()).await, expected);
    }
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a pair");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let own = Certificate::from_pem(&pem, key).expect("a pair");
    assert_eq!(refused(&client, own.clone()).await, Reason::UnknownIssuer);

    // One that signs for itself is an authority of its own.
    let client = Wss::new().trust(Trust::roots(pem).expect("a root"));
    let mut server = listen(Wss::new().certificate(own), "wss://127.0.0.1:0").await;
    connect(&mut server, &client).await;
}

#[tokio::test]
async fn a_pinned_key_is_trusted_whatever_else_its_certificate_says_and_no_other_is() {
    let authority = Authority::new();
    let bad = authority.issue(&["elsewhere"], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let pin = Pin::of_pem(bad.certificate.pem()).expect("a certificate");
    let other = Pin::of_der(authority.here().certificate.der()).expect("a certificate");
    let client = Wss::new().trust(Trust::pinned([other, pin]));
    let mut server = listen(Wss::new().certificate(bad.ours()), "wss://127.0.0.1:0").await;
    let (dialed, _) = connect(&mut server, &client).await;
    let tls: &Tls = dialed.info().get().expect("a fact");
    let seen = Pin::of_der(tls.peer_certificate().expect("one")).expect("a certificate");
    assert_eq!(seen, pin);

    // A good certificate of a good authority is of no use.
    let reason = refused(&client, authority.here().ours()).await;
    assert_eq!(reason, Reason::NotPinned);
    let nobody = Wss::new().trust(Trust::pinned([]));
    assert_eq!(refused(&nobody, bad.ours()).await, Reason::NotPinned);
}

/// Shows the certificate of another one.
#[derive(Debug)]
struct Thief(std::sync::Arc<CertifiedKey>);

impl ResolvesServerCert for Thief {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<std::sync::Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn who_shows_the_pinned_certificate_must_hold_its_key() {
    let authority = Authority::new();
    let (pinned, own) = (authority.here(), authority.here());
    let pin = Pin::of_der(pinned.certificate.der()).expect("a certificate");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let key = own.key.serialize_der().try_into().expect("a key");
        let key = provider().key_provider.load_private_key(key);
        let chain = vec![pinned.certificate.der().clone()];
        let thief = Thief(CertifiedKey::new(chain, key.expect("a key")).into());
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_cert_resolver(std::sync::Arc::new(thief));
        let (listener, to) = socket().await;
        let client = Wss::new().trust(Trust::pinned([pin]));
        let (dialed, _) = tokio::join!(client.dial(to), accept_tls(config, &listener));
        let error = dialed.expect_err("no proof");
        assert_eq!(reason(&error), Reason::BadSignature);
    }
}

#[tokio::test]
async fn a_name_is_said_in_the_clear_and_an_address_is_not() {
    let authority = Authority::new();
    let client = Wss::new().trust(authority.trust());
    let issued: Issued = authority.here();
    for (host, said) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let (listener, to) = socket().await;
        let to = to.replace("localhost", host);
        let server = async {
            let mut config = issued.foreign(rustls::ALL_VERSIONS);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let mut stream = accept_tls(config, &listener).await.expect("TLS");
            let session = stream.get_ref().1;
            assert_eq!(session.server_name(), said);
            assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
            answer(&mut stream).await;
            stream
        };
        let (dialed, _stream) = soon(async { tokio::join!(client.dial(to), server) }).await;
        dialed.expect("dialed");
    }
}

#[tokio::test]
async fn a_server_of_tls_1_2_alone_and_without_alpn_is_dialed_and_the_fact_says_so() {
    let authority = Authority::new();
    let client = Wss::new().trust(authority.trust());
    let (listener, to) = socket().await;
    let server = async {
        let config = authority.here().foreign(&[&rustls::version::TLS12]);
        let mut stream = accept_tls(config, &listener).await.expect("TLS");
        answer(&mut stream).await;
        stream
    };
    let (dialed, _stream) = soon(async { tokio::join!(client.dial(to), server) }).await;
    let dialed = dialed.expect("dialed");
    let tls: &Tls = dialed.info().get().expect("a fact");
    assert_eq!((tls.version(), tls.alpn()), (TlsVersion::V1_2, None));
    assert!(tls.peer_certificate().is_some());
}

/// Tells this program, started again, whom to dial.
const DIAL: &str = "WSS_TEST_DIAL";

/// What this test says when it was started again by itself.
async fn dial_with_the_platforms_authorities(to: &str) {
    // As good as none: whoever uses the process's default fails.
    let useless = CryptoProvider {
        cipher_suites: Vec::new(),
        kx_groups: Vec::new(),
        ..rustls::crypto::ring::default_provider()
    };
    useless.install_default().expect("the first");
    let said = match Wss::new().dial(to).await {
        Ok(_) => "dialed".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    println!("\n{DIAL}: {said}");
}

#[tokio::test]
async fn the_platforms_authorities_are_trusted_and_the_process_default_provider_is_not_used() {
    if let Ok(to) = env::var(DIAL) {
        return dial_with_the_platforms_authorities(&to).await;
    }
    let authority = Authority::new();
    let (mut server, _) = authority.server().await;
    let directory = tempfile::tempdir().expect("a directory");
    for (file, roots, expected) in [
        ("good.pem", authority.pem(), "dialed"),
        ("other.pem", Authority::new().pem(), "Certificate"),
        ("none.pem", String::new(), "Unavailable"),
    ] {
        let path = directory.path().join(file);
        fs::write(&path, roots).expect("written");
        let name = "trust::the_platforms_authorities_are_trusted_and_the_process_default_provider_is_not_used";
        let again = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", name, "--nocapture"])
            .env(DIAL, address(&server))
            .env("SSL_CERT_FILE", path)
            .env_remove("SSL_CERT_DIR")
            .stdin(Stdio::null())
            .output();
        let said = tokio::select! {
            said = again => said.expect("it runs"),
            () = async { loop { let _ = next(&mut server).await; } } => unreachable!("it serves on"),
        };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains(&format!("{DIAL}: {expected}\n")), "{said}");
    }
    assert!(CryptoProvider::get_default().is_none());
}

#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn each_provider_talks_to_each() {
    use tower_multiserver::wss::Provider;

    let authority = Authority::new();
    let both = [Provider::RING, Provider::AWS_LC_RS];
    for (ours, theirs) in both.into_iter().flat_map(|a| both.map(|b| (a, b))) {
        let server = Wss::new().provider(theirs);
        let server = server.certificate(authority.here().ours());
        let mut server = listen(server, "wss://127.0.0.1:0").await;
        let client = Wss::new().trust(authority.trust()).provider(ours);
        connect(&mut server, &client).await;
    }
}
