#![no_main]

use tower_multiserver::fuzzing::config::files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| files(data));
