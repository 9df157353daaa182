//! `wss`: by which certificate, and whom to trust.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tower_multiserver::wss::Pin;

use crate::harness::{Program, connect, run};

/// Writes `ca.pem`, `chain.pem` and `key.pem`; the pin of the latter two.
pub(crate) fn certificate(directory: &Path) -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let issued = params.signed_by(&key, &authority).expect("a certificate");
    for (name, pem) in [
        ("ca.pem", authority.pem()),
        ("chain.pem", issued.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        fs::write(directory.join(name), pem).expect("it can be written");
    }
    Pin::of_pem(issued.pem()).expect("a pin").to_string()
}

pub(crate) fn path(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).display().to_string()
}

/// The arguments of a server at `wss`.
pub(crate) fn certified(directory: &TempDir) -> [String; 4] {
    let (chain, key) = (path(directory, "chain.pem"), path(directory, "key.pem"));
    let flags = ["--certificate", "--certificate-key"].map(str::to_owned);
    let [certificate, certificate_key] = flags;
    [certificate, chain, certificate_key, key]
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_authority_or_by_its_key_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let pin = certificate(directory.path());
    let certified = certified(&directory);
    let mut args = vec!["--echo"];
    args.extend(certified.iter().map(String::as_str));
    let (_server, at) = Program::listen("wss://127.0.0.1:0~shs", &args).await;

    let other = tempfile::tempdir().expect("a directory");
    let other_pin = certificate(other.path());
    let (ca, other_ca) = (path(&directory, "ca.pem"), path(&other, "ca.pem"));
    for (args, code) in [
        (vec!["--ca", &ca], 0),
        (vec!["--pin", &pin], 0),
        (vec!["--pin", &other_pin, "--pin", &pin], 0),
        (vec!["--ca", &other_ca], 4),
        (vec!["--pin", &other_pin], 4),
        (vec!["--ca", &ca, "--pin", &pin], 2),
        (vec!["--ca", "/nowhere/at/all"], 2),
        (vec!["--ca", &certified[3]], 2),
        (vec!["--pin", "short"], 2),
    ] {
        let client = connect(&at, &args, b"hello").await;
        assert_eq!(client.code, Some(code), "{args:?}: {:?}", client.told);
        let kind = if code == 4 { "certificate" } else { continue };
        assert_eq!(client.error()["kind"], kind);
    }
    // To listen takes both files, and they must belong together.
    let (chain, other_key) = (path(&directory, "chain.pem"), path(&other, "key.pem"));
    for args in [
        vec![],
        vec!["--certificate", &chain],
        vec!["--certificate", &chain, "--certificate-key", &other_key],
        vec!["--certificate", &chain, "--certificate-key", "/nowhere"],
    ] {
        let listen = [
            &["listen", "wss://127.0.0.1:0~shs", "--echo", "--json"][..],
            &args,
        ]
        .concat();
        assert_eq!(run(&listen).await.code, Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn a_file_says_by_which_certificate_and_whom_to_trust() {
    let directory = tempfile::tempdir().expect("a directory");
    let pin = certificate(directory.path());
    let server = path(&directory, "server.toml");
    // Paths begin at the file.
    let text = "listen = [\"wss://127.0.0.1:0/peers~shs\"]\nallow = \"all\"\n\
        certificate = { chain = \"chain.pem\", key = \"key.pem\" }";
    fs::write(&server, text).expect("it can be written");
    let mut server = Program::start(["listen", "--config", &server, "--echo", "--json"]);
    let listening = server.event("listening").await;
    let at = listening["address"].as_str().expect("a text");
    for (text, code) in [
        ("trust.roots = \"ca.pem\"".to_owned(), Some(0)),
        (format!("trust.pins = [\"{pin}\"]"), Some(0)),
        ("trust.pins = []".to_owned(), Some(4)),
        ("trust.roots = \"nowhere.pem\"".to_owned(), Some(2)),
        ("trust.pins = [\"x\"]".to_owned(), Some(2)),
        ("trust.others = [\"x\"]".to_owned(), Some(2)),
    ] {
        let client = path(&directory, "client.toml");
        fs::write(&client, &text).expect("it can be written");
        let client = connect(at, &["--config", &client], b"hello").await;
        assert_eq!(client.code, code, "{text}: {:?}", client.told);
    }
    let reached = run(&["invite", "wss://0.0.0.0:443~shs", "--key", "nobody"]).await;
    assert_eq!(reached.code, Some(2));
}
