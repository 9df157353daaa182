//! The file that an identity is kept in.

#![cfg(test)]

use std::{
    error::Error as _,
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tower_multiserver_core::{Error, ErrorKind, Identity, KeyFile, Seed};

struct Lab(TempDir);

impl Lab {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    /// Loads a file of this text, which only its owner can read.
    fn load(&self, text: impl AsRef<[u8]>) -> Result<Identity, Error> {
        fs::write(self.path(), text).unwrap();
        set_mode(&self.path(), 0o600);
        KeyFile::load(self.path())
    }

    fn refuses(&self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let error = self.load(text).expect_err(&String::from_utf8_lossy(text));
        assert_eq!(error.kind(), ErrorKind::InvalidAddress);
        assert_names_the_path_alone(&error, &self.path());
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn identity() -> Identity {
    Identity::from_seed(&Seed::from_bytes([7; 32]))
}

fn io_kind(error: &Error) -> io::ErrorKind {
    assert_eq!(error.kind(), ErrorKind::Io);
    let source = error.source().unwrap().downcast_ref::<io::Error>();
    source.unwrap().kind()
}

fn assert_names_the_path_alone(error: &Error, path: &Path) {
    let shown = format!("{error} {error:?} {}", error.source().unwrap());
    assert!(shown.contains(path.to_str().unwrap()), "{shown}");
    // The beginnings of the private key of `identity()` and of its text.
    for secret in ["BwcH", "7, 7, 7", "0707"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A file as ssb-keys writes it, of the seed SHA-256("TESTSEED").
const OF_SSB_KEYS: &str = include_str!("vectors/ssb-keys/secret");

#[test]
fn what_is_created_can_be_loaded() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    let loaded = KeyFile::load(lab.path()).unwrap();
    assert_eq!(loaded.seed(), identity().seed());
}

#[test]
fn the_file_of_ssb_keys_is_read() {
    let loaded = Lab::new().load(OF_SSB_KEYS).unwrap();
    let known = "+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yw=";
    assert_eq!(loaded.public_key().to_string(), known);
}

#[test]
fn the_file_is_json_between_comments() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    let text = fs::read_to_string(lab.path()).unwrap();
    let json: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let public = identity().public_key();
    assert_eq!(json["curve"], "ed25519");
    assert_eq!(json["public"], format!("{public}.ed25519"));
    assert_eq!(json["id"], format!("@{public}.ed25519"));
    let private = json["private"].as_str().unwrap();
    assert_eq!(private.len(), 88 + ".ed25519".len());
    assert_eq!(json.as_object().unwrap().len(), 4);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_is_created() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    assert_eq!(mode(&lab.path()), 0o600);
}

#[test]
fn nothing_is_ever_overwritten() {
    let lab = Lab::new();
    fs::write(lab.path(), "mine").unwrap();
    let error = KeyFile::create(lab.path(), &identity()).unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AlreadyExists);
    assert_names_the_path_alone(&error, &lab.path());
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "mine");
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed_to_create_what_it_names() {
    let lab = Lab::new();
    let target = lab.0.path().join("target");
    std::os::unix::fs::symlink(&target, lab.path()).unwrap();
    let error = KeyFile::create(lab.path(), &identity()).unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AlreadyExists);
    assert!(KeyFile::load_or_create(lab.path()).is_err());
    assert!(!target.exists());
}

#[test]
fn a_missing_file_is_made_once() {
    let lab = Lab::new();
    let first = KeyFile::load_or_create(lab.path()).unwrap();
    let second = KeyFile::load_or_create(lab.path()).unwrap();
    assert_eq!(first.seed(), second.seed());
}

#[test]
fn a_broken_file_is_not_replaced() {
    let lab = Lab::new();
    fs::write(lab.path(), "").unwrap();
    set_mode(&lab.path(), 0o600);
    let error = KeyFile::load_or_create(lab.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    assert_eq!(fs::read(lab.path()).unwrap(), b"");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_use_is_refused() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    for others in [
        0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o440, 0o666, 0o777,
    ] {
        set_mode(&lab.path(), others);
        let error = KeyFile::load(lab.path()).unwrap_err();
        assert_eq!(
            io_kind(&error),
            io::ErrorKind::PermissionDenied,
            "{others:o}"
        );
        assert_names_the_path_alone(&error, &lab.path());
    }
    for owners in [0o600, 0o400, 0o700] {
        set_mode(&lab.path(), owners);
        assert!(KeyFile::load(lab.path()).is_ok(), "{owners:o}");
    }
}

#[test]
fn what_is_not_there_or_no_file_cannot_be_loaded() {
    let lab = Lab::new();
    let error = KeyFile::load(lab.path()).unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::NotFound);
    let error = KeyFile::load(lab.0.path()).unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::InvalidInput);
    let error = KeyFile::create(lab.path().join("below"), &identity()).unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::NotFound);
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let lab = Lab::new();
    let comment = |len: usize| format!("#{}\n{OF_SSB_KEYS}", "x".repeat(len));
    let longest = 64 * 1024 - OF_SSB_KEYS.len() - 2;
    assert!(lab.load(comment(longest)).is_ok());
    let error = lab.load(comment(longest + 1)).unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::FileTooLarge);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    let text = fs::read(lab.path()).unwrap();
    let end = text.iter().rposition(|byte| *byte == b'}').unwrap();
    for len in 0..=end {
        lab.refuses(&text[..len]);
    }
    assert!(lab.load(&text[..=end]).is_ok());
}

#[test]
fn what_is_not_a_key_file_is_refused() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    let good = fs::read_to_string(lab.path()).unwrap();
    let public = identity().public_key().to_string();
    let other = Identity::from_seed(&Seed::from_bytes([8; 32]));
    let other = other.public_key().to_string();
    for (from, to) in [
        ("\"curve\": \"ed25519\"", "\"curve\": \"k256\""),
        ("\"curve\": \"ed25519\",", ""),
        ("\"private\"", "\"privat\""),
        ("BwcH", "BwcI"),       // The seed and its public key part.
        ("BwcH", ""),           // Too short.
        ("BwcH", "Bwc"),        // No base64.
        ("BwcH", "Bw\\u0063H"), // An escape.
        ("\"private\": \"", "\"private\": 7, \"x\": \""),
        ("\"private\": \"", "\"private\": [\""),
        ("}", "}}"),
        ("}", "} {}"),
        ("\"curve\"", "curve"),
        ("# ", ""),
        (
            &format!("\"@{public}.ed25519\""),
            &format!("\"@{other}.ed25519\""),
        ),
        (
            &format!("\"{public}.ed25519\""),
            &format!("\"{other}.ed25519\""),
        ),
        (&format!("\"{public}.ed25519\""), &format!("\"{public}\"")),
        (&format!("\"{public}.ed25519\""), "\"\""),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        lab.refuses(text);
    }
    lab.refuses(good.replace("# ", "\u{feff}# "));
    lab.refuses([0xff, 0xfe]);
    lab.refuses("null");
    lab.refuses("[".repeat(60_000));
}

#[test]
fn public_and_id_may_be_missing() {
    let lab = Lab::new();
    KeyFile::create(lab.path(), &identity()).unwrap();
    let good = fs::read_to_string(lab.path()).unwrap();
    let private = good.lines().find(|line| line.contains("private")).unwrap();
    let text = format!(
        "  # indented\r\n{{\"curve\":\"ed25519\",\n{}}}",
        private.trim_end_matches(',')
    );
    assert_eq!(lab.load(text).unwrap().seed(), identity().seed());
}
