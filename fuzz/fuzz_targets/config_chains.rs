#![no_main]

use tower_multiserver::fuzzing::config::chains;

libfuzzer_sys::fuzz_target!(|data: &[u8]| chains(data));
