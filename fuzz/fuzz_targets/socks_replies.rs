#![no_main]

use tower_multiserver::fuzzing::onion::replies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replies(data));
