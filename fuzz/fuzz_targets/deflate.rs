#![no_main]

use tower_multiserver::compression::fuzzing::deflate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| deflate(data));
