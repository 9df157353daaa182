//! The behaviours that the test files of the JavaScript multiserver 3.8.2 fix (`async-server-close.js`, `multi.js`,
//! `plugs.js`), each under its upstream name. Where ours differs on purpose, the test says how.
//!
//! The tests of secret-handshake and pull-box-stream have theirs in the `shs` crate, those of multiserver-address in the
//! core.

mod async_server_close;
mod external;
mod lab;
mod multi;
mod plugs;
#[path = "../support/mod.rs"]
mod support;
