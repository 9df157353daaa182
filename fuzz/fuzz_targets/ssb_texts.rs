#![no_main]

use tower_multiserver::fuzzing::ssb::texts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| texts(data));
