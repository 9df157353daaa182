#![no_main]

use tower_multiserver_core::fuzzing::addresses;

libfuzzer_sys::fuzz_target!(|data: &[u8]| addresses(data));
