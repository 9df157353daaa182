//! What SECURITY.md refers to.

use std::{fs, path::Path};

const SECURITY: &str = include_str!("../../SECURITY.md");

#[test]
fn every_test_and_constant_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for reference in SECURITY.split('`').skip(1).step_by(2) {
        let Some((file, name)) = reference.split_once(".rs::") else {
            continue;
        };
        let path = root.join(format!("{file}.rs"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let found = [format!("fn {name}("), format!("const {name}:")];
        assert!(
            found.iter().any(|found| text.contains(found.as_str())),
            "{reference}"
        );
        named += 1;
    }
    println!("measured exposure\tSECURITY.md\t{named} references hold");
    assert!(named > 50, "{named}");
}
