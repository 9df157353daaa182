#![no_main]

use tower_multiserver::fuzzing::lookup::records;

libfuzzer_sys::fuzz_target!(|data: &[u8]| records(data));
