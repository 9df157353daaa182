#![no_main]

use tower_multiserver::sealed::fuzzing::operations;

libfuzzer_sys::fuzz_target!(|data: &[u8]| operations(data));
