#![no_main]

use tower_multiserver::noise::handshake::fuzzing::client_messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_messages(data));
