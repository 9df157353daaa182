//! Swarms of message sockets: over a network within the program, over one that the tests cut and forge, and over addresses.

#![cfg(test)]

mod addresses;
#[path = "../support/alone.rs"]
mod alone;
mod closing;
mod discover;
mod hostile;
mod lab;
mod messages;
mod reconnect;
mod seeds;
mod session_data;
mod swarms;
