//! What strangers can reach, and what can be read where no secret belongs.
#![cfg(test)]

mod claims;
#[cfg(target_os = "linux")]
mod memory;
mod scopes;
mod secrets;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
