//! The WebSocket transport over real sockets.

mod hosted;
mod http;
mod lab;
mod limits;
mod smuggling;
mod stack;
