//! The JavaScript multiserver, of the version that the tests of the library talk to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Result;

/// Node with the script of a peer. Its packages are installed beside `program`, once.
pub(crate) fn command(program: &Path) -> Result<Command> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command
        .arg(here.join("js/peer.js"))
        .env("NODE_PATH", modules(here, program)?);
    Ok(command)
}

fn modules(here: &Path, program: &Path) -> Result<PathBuf> {
    let sources = here.join("../../tests/interop/js");
    let place = program.with_file_name("peers-js");
    let modules = place.join("node_modules");
    fs::create_dir_all(&place)?;
    let lock = place.join("package-lock.json");
    let wanted = fs::read(sources.join("package-lock.json"))?;
    if modules.is_dir() && fs::read(&lock).is_ok_and(|found| found == wanted) {
        return Ok(modules);
    }
    fs::write(&lock, wanted)?;
    fs::copy(sources.join("package.json"), place.join("package.json"))?;
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    match installed.success() {
        true => Ok(modules),
        false => Err("`npm ci` failed".into()),
    }
}
