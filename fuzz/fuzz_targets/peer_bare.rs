#![no_main]

use tower_multiserver::fuzzing::peer_socket::bare;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bare(data));
