#![no_main]

use tower_multiserver::fuzzing::ragep2p::announcements;

libfuzzer_sys::fuzz_target!(|data: &[u8]| announcements(data));
