#![no_main]

use tower_multiserver::compression::fuzzing::brotli;

libfuzzer_sys::fuzz_target!(|data: &[u8]| brotli(data));
