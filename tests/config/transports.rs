//! What `wss` and `onion` are made of.

use tower_multiserver::config::{CertificateFiles, Trust};

use super::*;

#[test]
fn a_file_that_is_none_names_its_field() {
    let missing = "/nowhere/at/all";
    let directory = tempfile::tempdir().expect("a directory");
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").expect("written");
    let empty = empty.display().to_string();
    for (text, name, kind) in [
        (
            format!("certificate = {{ chain = \"{missing}\", key = \"{missing}\" }}"),
            "certificate",
            ErrorKind::Io,
        ),
        (
            format!("certificate = {{ chain = \"{empty}\", key = \"{empty}\" }}"),
            "certificate",
            ErrorKind::Certificate,
        ),
        (
            format!("trust.roots = \"{missing}\""),
            "trust.roots",
            ErrorKind::Io,
        ),
        (
            format!("trust.roots = \"{empty}\""),
            "trust.roots",
            ErrorKind::Certificate,
        ),
        (
            "external.onion = [\"net:h:1\"]".to_owned(),
            "external.onion",
            ErrorKind::Unsupported,
        ),
    ] {
        let error = config(&text).multi_server().unwrap_err();
        assert_eq!((error.kind(), field(&error)), (kind, Some(name)), "{text}");
    }
}

#[test]
fn the_paths_of_certificates_begin_where_they_were_said_too() {
    let mut server = config("certificate = { chain = \"a\", key = \"b\" }\ntrust.roots = \"c\"");
    server.resolve_paths(Path::new("/etc/app"));
    let files = CertificateFiles {
        chain: "/etc/app/a".into(),
        key: "/etc/app/b".into(),
    };
    assert_eq!(server.certificate, Some(files));
    assert_eq!(server.trust, Some(Trust::Roots("/etc/app/c".into())));
}

#[test]
fn what_says_half_or_too_much_is_refused() {
    for text in [
        "trust = { roots = \"a\", pins = [] }",
        "trust = \"roots\"",
        "trust.pins = [\"x\"]",
        "certificate.chain = \"a\"",
        "proxies = [\"h\"]",
    ] {
        toml::from_str::<Config>(text).expect_err(text);
    }
}

#[test]
fn text_is_read_back_and_debug_shows_no_password() {
    let config = config(
        r#"
            certificate = { chain = "a", key = "b" }
            trust.pins = ["rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI="]
            proxies = ["socks5://bob:hunter2@h:1", "[::1]:9050"]
            "#,
    );
    let json = serde_json::to_string(&config).expect("text");
    let again: Config = serde_json::from_str(&json).expect("the same text");
    assert_eq!(again, config);
    let debug = format!("{config:?}");
    assert!(
        !debug.contains("hunter2") && !debug.contains("bob"),
        "{debug}"
    );
}
