//! WebSocket over TLS: over real sockets, and against peers that are nothing but TLS.

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod endings;
mod lab;
mod listening;
mod refusals;
mod stack;
mod trust;
