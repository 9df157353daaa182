#![no_main]

use tower_multiserver_core::fuzzing::keys;

libfuzzer_sys::fuzz_target!(|data: &[u8]| keys(data));
