#![no_main]

use tower_multiserver::fuzzing::hyperswarm::names;

libfuzzer_sys::fuzz_target!(|data: &[u8]| names(data));
