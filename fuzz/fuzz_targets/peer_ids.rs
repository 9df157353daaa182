#![no_main]

use tower_multiserver_core::fuzzing::peer_ids;

libfuzzer_sys::fuzz_target!(|data: &[u8]| peer_ids(data));
