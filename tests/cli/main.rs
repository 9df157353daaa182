//! The command line program, as its users meet it.
#![cfg(feature = "cli")]

mod addresses;
mod bridge;
mod exec;
mod failures;
mod forward;
mod harness;
mod keys;
mod secrets;
mod server;
mod stacks;
