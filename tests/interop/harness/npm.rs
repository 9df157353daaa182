//! Where the JavaScript side lives, and its packages.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The sources of the JavaScript side.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/js")
}

/// The `node_modules` that the lock file describes, installed when they are not yet. `None` when that cannot be, and
/// the test is to be skipped.
pub(crate) fn modules() -> Option<&'static Path> {
    static MODULES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match MODULES.get_or_init(install) {
        Ok(path) => Some(path),
        Err(reason) => skip(reason),
    }
}

/// Says on stderr why a test is skipped; fails it when nothing may be missing (`MULTISERVER_INTEROP=required`).
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    let required = std::env::var("MULTISERVER_INTEROP").is_ok_and(|value| value == "required");
    assert!(!required, "MULTISERVER_INTEROP=required, but {reason}");
    say_skipped(reason);
    None
}

/// Says on stderr why a test is skipped.
pub(crate) fn say_skipped(reason: &str) {
    let thread = std::thread::current();
    // Past the test runner, which would keep it from sight, since the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "skipped {}: {reason}",
        thread.name().unwrap_or("a test")
    );
}

/// Runs `npm ci` in the target directory, once for each content of the lock file: one process at a time, and the
/// others find it done.
fn install() -> Result<PathBuf, String> {
    output("node", &["--version"], Path::new("."))?;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-js");
    let fail = |error: std::io::Error| format!("{} cannot be prepared: {error}", place.display());
    fs::create_dir_all(&place).map_err(fail)?;
    let guard = File::create(place.join("lock")).map_err(fail)?;
    guard.lock().map_err(fail)?;

    let wanted = fs::read(sources().join("package-lock.json")).map_err(fail)?;
    let installed = place.join("installed.json");
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(place.join("node_modules"));
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources().join(file), place.join(file)).map_err(fail)?;
    }
    output(
        "npm",
        &["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        &place,
    )?;
    fs::write(installed, wanted).map_err(fail)?;
    Ok(place.join("node_modules"))
}

/// What a program printed, or why it could not be run.
pub(crate) fn output(program: &str, args: &[&str], directory: &Path) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{program} {}` failed: {said}", args.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
