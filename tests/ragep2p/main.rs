//! Hosts of ragep2p with each other, over real sockets.

#![cfg(test)]

#[path = "../support/alone.rs"]
mod alone;
mod discovery;
mod healing;
mod hostile;
mod lab;
mod limits;
mod metrics;
#[path = "../support/ports.rs"]
mod ports;
mod seeds;
mod streams;
mod transports;
