#![no_main]

use tower_multiserver::noise::transport::fuzzing::frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frames(data));
