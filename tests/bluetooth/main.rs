//! Bluetooth: by channel number with the kernel's sockets, and by service with real D-Bus calls to a stand-in for BlueZ.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod by_channel;
#[cfg(feature = "bluetooth-profiles")]
mod by_service;
#[cfg(feature = "bluetooth-profiles")]
mod lab;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;

/// Says on stderr why a test is skipped.
fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Past the test runner, which would keep it from sight, since the test passes.
    let line = format!("skipped {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
