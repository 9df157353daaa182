#![no_main]

use tower_multiserver::fuzzing::onion::proxies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| proxies(data));
