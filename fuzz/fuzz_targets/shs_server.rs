#![no_main]

use tower_multiserver::shs::handshake::fuzzing::server_messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| server_messages(data));
