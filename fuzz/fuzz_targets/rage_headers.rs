#![no_main]

use tower_multiserver::fuzzing::ragep2p::headers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| headers(data));
