#![no_main]

use tower_multiserver::mtls::fuzzing::certificates;

libfuzzer_sys::fuzz_target!(|data: &[u8]| certificates(data));
