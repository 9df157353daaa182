#![no_main]

use tower_multiserver::fuzzing::ragep2p::operations;

libfuzzer_sys::fuzz_target!(|data: &[u8]| operations(data));
