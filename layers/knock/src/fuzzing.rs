//! The body of a fuzz target.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use tower_multiserver_core::{Identity, Seed};

use crate::message::{self, LENGTH};

static ALICE_AND_BOB: LazyLock<[Identity; 2]> =
    LazyLock::new(|| [[1; 32], [2; 32]].map(|seed| Identity::from_seed(&Seed::from_bytes(seed))));

/// No knock counts but the one that Alice made for Bob.
pub fn knocks(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
}

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let [alice, bob] = &*ALICE_AND_BOB;
    let bob = bob.public_key().into();
    let honest = message::write(alice, bob).expect("another key");
    let mut knock = honest;
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.choose_index(LENGTH)?;
        let length = u.int_in_range(1..=64)?.min(LENGTH - at);
        u.fill_buffer(&mut knock[at..at + length])?;
    }
    assert_eq!(message::check(&knock, bob).is_ok(), knock == honest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("knock", knocks);
    }
}
