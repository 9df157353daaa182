#![no_main]

use tower_multiserver::fuzzing::peer_socket::lengths;

libfuzzer_sys::fuzz_target!(|data: &[u8]| lengths(data));
