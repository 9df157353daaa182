#![no_main]

use tower_multiserver::fuzzing::hyperswarm::packets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| packets(data));
