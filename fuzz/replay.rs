//! Runs what the fuzz targets know again, without a fuzzer: part of the tests of each crate that has such a target.

use std::{fs, path::Path};

/// Runs `body` on each file of the corpus of `target`, and on each that once showed a fault.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fuzz = package.ancestors().map(|directory| directory.join("fuzz"));
    let fuzz = fuzz.into_iter().find(|fuzz| fuzz.join("corpus").is_dir());
    let fuzz = fuzz.expect("the corpus stands in the repository");
    let mut count = 0;
    for kind in ["corpus", "regressions"] {
        for file in fs::read_dir(fuzz.join(kind).join(target))
            .into_iter()
            .flatten()
        {
            let path = file.unwrap().path();
            let running = Running(&path);
            body(&fs::read(&path).unwrap());
            drop(running);
            count += 1;
        }
    }
    assert!(count > 0, "the target {target} has a corpus");
}

/// Says which file it was, when a body panics.
struct Running<'a>(&'a Path);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with {}", self.0.display());
        }
    }
}
