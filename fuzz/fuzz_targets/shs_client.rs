#![no_main]

use tower_multiserver::shs::handshake::fuzzing::client_messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_messages(data));
