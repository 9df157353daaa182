//! Ed25519 and X25519, by the fastest code that there is for this machine.

#[cfg(all(feature = "graviola", target_arch = "x86_64"))]
mod fast;
mod portable;
#[cfg(test)]
mod tests;

#[cfg(all(feature = "graviola", target_arch = "x86_64"))]
use fast as chosen;
#[cfg(not(all(feature = "graviola", target_arch = "x86_64")))]
use portable as chosen;

pub(crate) use chosen::{SigningKey, public_key, shared_secret, verify};
pub(crate) use portable::to_x25519;
