//! The checks that the handshake and the stream must make, over connections. Those free of IO stand beside the code.

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed")]

mod authorizing;
mod conformance;
mod deadline;
mod dialing;
mod hostile;
mod streams;
mod support;
