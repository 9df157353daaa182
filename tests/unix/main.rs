//! `unix:PATH`: what reaches a peer, and what happens to files.

#![cfg(test)]
#![cfg(all(unix, feature = "unix"))]

mod connections;
mod files;
mod lab;
mod processes;
