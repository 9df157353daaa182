#![no_main]

use tower_multiserver::shs::box_stream::fuzzing::frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frames(data));
