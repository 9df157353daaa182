//! The body of a fuzz target.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use rustls::pki_types::CertificateDer;
use tower_multiserver_core::{Identity, PublicKey, Seed};

use crate::{certificate::certificate, verifier::verify};

static HONEST: LazyLock<(PublicKey, Vec<u8>)> = LazyLock::new(|| {
    let identity = Identity::from_seed(&Seed::from_bytes([1; 32]));
    (identity.public_key(), certificate(&identity).to_vec())
});

/// A certificate is that of the key that stands in it, or none; a chain is none.
pub fn certificates(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
}

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let (key, honest) = &*HONEST;
    let (is_honest, is_alone) = (u.arbitrary()?, u.ratio(15, 16)?);
    let mut der = honest.clone();
    if is_honest {
        for _ in 0..u.int_in_range(0..=4)? {
            let (at, byte) = (u.choose_index(der.len().max(1))?, u.arbitrary()?);
            match u.int_in_range(0..=3)? {
                0 => der.truncate(at),
                1 => der.insert(at, byte),
                _ => der.get_mut(at).into_iter().for_each(|old| *old = byte),
            }
        }
    } else {
        der = u.bytes(u.len())?.to_vec();
    }
    let certificate = CertificateDer::from(&der[..]);
    let others = [certificate.clone()];
    let others = &others[usize::from(is_alone)..];
    if let Ok(read) = verify(&certificate, others, None) {
        assert!(is_alone && read.to_x25519().is_some());
        assert!(der.windows(32).any(|part| part == read.as_bytes()));
        assert_eq!(
            verify(&certificate, others, Some(*key)).is_ok(),
            read == *key
        );
    } else {
        assert!(verify(&certificate, others, Some(*key)).is_err());
        assert!(!is_alone || der != *honest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("certificates", certificates);
    }
}
