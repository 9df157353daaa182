#![no_main]

use tower_multiserver::fuzzing::wss::pins;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pins(data));
