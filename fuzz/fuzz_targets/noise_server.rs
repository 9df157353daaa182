#![no_main]

use tower_multiserver::noise::handshake::fuzzing::server_messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| server_messages(data));
