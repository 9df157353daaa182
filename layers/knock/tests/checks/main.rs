//! What a knock does to a connection, and what is wrong with a knock. The bytes themselves are tested beside the code.

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed")]

mod accepting;
mod authorizing;
mod conformance;
mod deadline;
mod dialing;
mod support;
