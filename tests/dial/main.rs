//! Policies of a dial, and names in the place of addresses.

#[path = "../support/mod.rs"]
mod support;

mod cache;
mod dns;
mod fallback;
mod lab;
mod lookup;
mod mixing;
mod race;
mod stacks;
mod turns;
