//! The checks that the handshake and the stream must make, over connections. Those of certificates stand beside the code.

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed")]

mod authorizing;
mod conformance;
mod deadline;
mod endings;
mod flips;
mod handshake;
mod hostile_client;
mod hostile_server;
mod middleman;
#[cfg(feature = "aws-lc-rs")]
mod providers;
mod raw;
mod resumption;
mod streams;
mod support;
