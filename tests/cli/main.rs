//! The command line program, as its users meet it.
#![cfg(feature = "cli")]

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod bridge;
#[cfg(test)]
mod config;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod harness;
#[cfg(all(test, feature = "hyperswarm"))]
mod hyperswarm;
#[cfg(test)]
mod invite;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod log;
#[cfg(test)]
mod onion;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod ping;
#[cfg(test)]
mod pipe;
#[cfg(test)]
mod policy;
#[cfg(test)]
#[path = "../support/ports.rs"]
mod ports;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod protocols;
#[cfg(test)]
mod rage;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod server;
#[cfg(test)]
mod stacks;
#[cfg(test)]
mod swarm;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tunnel;
