#![no_main]

use tower_multiserver::fuzzing::ws::frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frames(data));
