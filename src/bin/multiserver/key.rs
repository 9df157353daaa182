//! `key new` and `key show`.

use std::path::Path;

use tower_multiserver::{Identity, KeyFile};

use crate::{failure::Failure, print};

/// Writes a new key to a new file, and prints its public id.
pub(crate) fn new(file: &Path) -> Result<(), Failure> {
    let identity = Identity::generate()?;
    KeyFile::create(file, &identity).map_err(of_usage)?;
    print_id(&identity)
}

/// Prints the public id of the key in a file.
pub(crate) fn show(file: &Path) -> Result<(), Failure> {
    print_id(&KeyFile::load(file).map_err(of_usage)?)
}

/// Whatever is wrong with the file: another one has to be named.
fn of_usage(error: tower_multiserver::Error) -> Failure {
    Failure::from(error).of_usage()
}

fn print_id(identity: &Identity) -> Result<(), Failure> {
    print(&format!("{}\n", identity.public_key().to_ssb_id()))
}
