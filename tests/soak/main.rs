//! What a server costs and how it fares while a crowd is at it.
//!
//! The server has a process of its own, whose allocations, tasks, descriptors and pages are counted. Each test prints
//! what it measured as a line that begins with `measured`. `MULTISERVER_SOAK=large` makes the crowds larger:
//!
//! ```console
//! $ MULTISERVER_SOAK=large cargo test --features full --test soak -- --nocapture
//! ```
#![cfg(test)]
#![cfg(target_os = "linux")]

mod crowd;
mod lab;
mod load;
mod memory;
mod peers;
mod server;
mod shutdown;
mod storm;
#[path = "../support/mod.rs"]
mod support;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
