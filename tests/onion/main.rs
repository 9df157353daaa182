//! The onion transport against proxies that a test plays.

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod choice;
mod dialing;
mod lab;
mod lies;
