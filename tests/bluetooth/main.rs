//! Bluetooth: by channel number with the kernel's sockets, and by service with D-Bus calls to the real BlueZ where there are
//! adapters, else to a stand-in.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod by_channel;
#[cfg(feature = "bluetooth-profiles")]
mod by_service;
#[cfg(feature = "bluetooth-profiles")]
mod lab;
#[cfg(feature = "bluetooth-profiles")]
mod real;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
#[cfg(feature = "bluetooth-profiles")]
use std::{error::Error as _, io};

#[cfg(feature = "bluetooth-profiles")]
use tower_multiserver::{Error, ErrorKind};

/// Says on stderr why a test is skipped.
fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Past the test runner, which would keep it from sight, since the test passes.
    let line = format!("skipped {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[cfg(feature = "bluetooth-profiles")]
#[track_caller]
fn assert_io(error: &Error, kind: io::ErrorKind) {
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    let source = error
        .source()
        .expect("a source")
        .downcast_ref::<io::Error>();
    assert_eq!(source.expect("an IO error").kind(), kind, "{error:?}");
}
