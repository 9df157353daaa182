#![no_main]

use tower_multiserver::fuzzing::peer_socket::channels;

libfuzzer_sys::fuzz_target!(|data: &[u8]| channels(data));
