#![no_main]

use tower_multiserver::compression::fuzzing::gzip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| gzip(data));
