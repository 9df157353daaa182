//! `swarm`: everybody who gives the same name.

mod everyone;
mod hear;
mod join;
mod names;
mod network;

pub(crate) use self::join::run as join;
