#![no_main]

use tower_multiserver::knock::fuzzing::knocks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| knocks(data));
