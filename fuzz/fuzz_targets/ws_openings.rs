#![no_main]

use tower_multiserver::fuzzing::ws::openings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| openings(data));
