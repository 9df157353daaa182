#![no_main]

use tower_multiserver::compression::fuzzing::zstd;

libfuzzer_sys::fuzz_target!(|data: &[u8]| zstd(data));
