//! The file in which Secure Scuttlebutt keeps an identity, `secret`.
//!
//! It is a JSON object between lines that begin with `#`, as
//! [ssb-keys](https://github.com/ssbc/ssb-keys) writes and reads it:
//!
//! ```text
//! # This is a secret.
//! {
//!   "curve": "ed25519",
//!   "public": "….ed25519",
//!   "private": "….ed25519",
//!   "id": "@….ed25519"
//! }
//! ```
//!
//! `private` is the base64 of 64 bytes, the seed and the public key; `public` and `id` may be missing.
//!
//! # Example
//!
//! ```
//! use tower_multiserver_core::KeyFile;
//!
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("secret");
//! let created = KeyFile::load_or_create(&path)?;
//! let loaded = KeyFile::load(&path)?;
//! assert_eq!(loaded.public_key(), created.public_key());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    collections::BTreeMap,
    error,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Identity, PublicKey, identity};

/// The file in which Secure Scuttlebutt keeps an [`Identity`]. Reading and writing block for the time of a file access.
///
/// Errors name the path and never what stands in the file. Where the file cannot be read or written they are of kind
/// [`Io`](ErrorKind::Io), with an [`io::Error`] as the source; where it is not a good key file, of kind
/// [`InvalidAddress`](ErrorKind::InvalidAddress).
#[derive(Debug)]
pub enum KeyFile {}

/// Longer than any comment around a key that is known, shorter than what would hurt.
const MAX_LEN: usize = 64 * 1024;

/// More than the file that we write takes (485 bytes), so that its text never moves in memory.
const OUR_LEN: usize = 1024;

const SUFFIX: &str = ".ed25519";

impl KeyFile {
    /// Reads the identity from the file at `path`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no regular file of at most 64 KiB, or may be read or written by others than its
    /// owner (an [`io::ErrorKind::PermissionDenied`]); when it is not a key file, or its public key is not that of its
    /// private key.
    pub fn load(path: impl AsRef<Path>) -> Result<Identity, Error> {
        let path = path.as_ref();
        let mut text = read(path).map_err(|error| describe("cannot read", path, &error))?;
        parse(&mut text).map_err(|reason| {
            let reason = format!("the key file `{}` {reason}", path.display());
            Error::new(ErrorKind::InvalidAddress, reason)
        })
    }

    /// Writes the identity to a new file at `path`, which only its owner can read.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or there is something at `path` (an [`io::ErrorKind::AlreadyExists`]): a key
    /// file is never overwritten.
    pub fn create(path: impl AsRef<Path>, identity: &Identity) -> Result<(), Error> {
        let path = path.as_ref();
        create(path, &text(identity)).map_err(|error| describe("cannot create", path, &error))
    }

    /// Reads the identity from the file at `path`, or writes a new one there if there is no file.
    ///
    /// Of two programs that do so at the same instant, one may be told that the file is not finished.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load) and [`create`](Self::create).
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Identity, Error> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(error) if io_kind(&error) == Some(io::ErrorKind::NotFound) => {}
            loaded => return loaded,
        }
        let identity = Identity::generate()?;
        match Self::create(path, &identity) {
            Err(error) if io_kind(&error) == Some(io::ErrorKind::AlreadyExists) => Self::load(path),
            created => created.map(|()| identity),
        }
    }
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let source = error::Error::source(error)?;
    source.downcast_ref().map(io::Error::kind)
}

/// Says what failed with which file.
fn describe(what: &str, path: &Path, error: &io::Error) -> Error {
    let reason = format!("{what} the key file `{}`: {error}", path.display());
    io::Error::new(error.kind(), reason).into()
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Asked before it is opened too, since opening a pipe waits for its other end.
    check(&fs::metadata(path)?)?;
    let mut file = File::open(path)?;
    check(&file.metadata()?)?;
    // Of full length at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(vec![0; MAX_LEN + 1]);
    let mut len = 0;
    while let Some(room) = text.get_mut(len..) {
        match file.read(room) {
            Ok(0) => break,
            Ok(n) => len = len.saturating_add(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if len > MAX_LEN {
        let reason = format!("it is longer than {MAX_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    text.truncate(len);
    Ok(text)
}

fn check(metadata: &fs::Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => check_mode(metadata),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        )),
    }
}

#[cfg(unix)]
fn check_mode(metadata: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = metadata.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("others than its owner may use it (mode {mode:04o}, must be 0600)"),
        )),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Reads the identity in `text`. The error goes on after "the key file `…`".
pub(crate) fn parse(text: &mut [u8]) -> Result<Identity, String> {
    blank_comments(text);
    // A text with escapes would be copied in order to be read.
    if text.contains(&b'\\') {
        return Err("holds an escape, which no key has".into());
    }
    // What serde_json says may quote the text.
    let fields: BTreeMap<&str, &str> = serde_json::from_slice(text).map_err(|error| {
        let line = error.line();
        format!("is not one JSON object of texts (line {line})")
    })?;
    if fields.get("curve") != Some(&"ed25519") {
        return Err("is not of the curve ed25519".into());
    }
    let private = fields
        .get("private")
        .and_then(|key| key.strip_suffix(SUFFIX));
    let private = private.and_then(identity::decode::<64>);
    let private = private.ok_or("has no private key in the base64 of 64 bytes")?;
    let identity = Identity::from_keypair_bytes(&private)
        .map_err(|_| "has a private key whose halves do not belong together")?;
    for name in ["public", "id"] {
        let belongs = |text: &&str| public_key(text) == Some(identity.public_key());
        if !fields.get(name).is_none_or(belongs) {
            return Err(format!(
                "has a `{name}` that does not belong to its private key"
            ));
        }
    }
    Ok(identity)
}

/// Reads `….ed25519` and `@….ed25519`.
fn public_key(text: &str) -> Option<PublicKey> {
    let text = text.strip_suffix(SUFFIX)?;
    text.strip_prefix('@').unwrap_or(text).parse().ok()
}

/// Overwrites the lines that begin with `#`. The lines keep their numbers.
fn blank_comments(text: &mut [u8]) {
    for line in text.split_mut(|byte| *byte == b'\n') {
        if line.trim_ascii_start().starts_with(b"#") {
            line.fill(b' ');
        }
    }
}

/// The file that holds `identity`.
pub(crate) fn text(identity: &Identity) -> Zeroizing<String> {
    let public = identity.public_key().to_string();
    let private = Zeroizing::new(identity::encode(&*identity.to_keypair_bytes()));
    let mut text = Zeroizing::new(String::with_capacity(OUR_LEN));
    for part in [
        "# This file is who you are. Whoever reads it can speak in your name: show it to nobody.\n",
        "# Keep a copy in a safe place, and never use it on two devices at once.\n",
        "#\n",
        "# What you may share is your public key, the `id`.\n",
        "\n{\n  \"curve\": \"ed25519\",\n  \"public\": \"",
        &public,
        ".ed25519\",\n  \"private\": \"",
        &private,
        ".ed25519\",\n  \"id\": \"@",
        &public,
        ".ed25519\"\n}\n",
    ] {
        text.push_str(part);
    }
    text
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // It is ours, and of no use. That it is half written is what the caller hears.
        let _ = fs::remove_file(path);
    }
    written.and_then(|()| sync_directory(path))
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes the name last, as [`File::sync_all`] does for what the file holds.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
