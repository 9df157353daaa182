//! `key new` and `key show`.

use std::path::Path;

use tower_multiserver::{Identity, KeyFile, PeerId};

use crate::{failure::Failure, print};

/// Writes a new key to a new file, and prints its public id.
pub(crate) fn new(file: &Path) -> Result<(), Failure> {
    let identity = Identity::generate()?;
    KeyFile::create(file, &identity).map_err(of_usage)?;
    print_id(&identity)
}

/// Prints the public id of the key in a file, or its peer id.
pub(crate) fn show(file: &Path, as_peer_id: bool) -> Result<(), Failure> {
    let identity = KeyFile::load(file).map_err(of_usage)?;
    match as_peer_id {
        true => print(&format!("{}\n", PeerId::from(identity.public_key()))),
        false => print_id(&identity),
    }
}

/// Whatever is wrong with the file: another one has to be named.
fn of_usage(error: tower_multiserver::Error) -> Failure {
    Failure::from(error).of_usage()
}

fn print_id(identity: &Identity) -> Result<(), Failure> {
    print(&format!("{}\n", identity.public_key().to_ssb_id()))
}
