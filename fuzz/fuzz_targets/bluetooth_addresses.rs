#![no_main]

use tower_multiserver::fuzzing::bluetooth::addresses;

libfuzzer_sys::fuzz_target!(|data: &[u8]| addresses(data));
