#![no_main]

use tower_multiserver::fuzzing::rn_channel::messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| messages(data));
