#![no_main]

use tower_multiserver::fuzzing::hyperswarm::streams;

libfuzzer_sys::fuzz_target!(|data: &[u8]| streams(data));
