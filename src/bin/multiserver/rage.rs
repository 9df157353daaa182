//! `rage`: messages over the streams of ragep2p.

mod listen;
mod messages;
mod node;
mod pace;
mod peer;
mod send;

pub(crate) use self::{listen::run as listen, send::run as send};
