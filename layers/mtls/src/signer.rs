//! Our identity as TLS wants it.

use rustls::{
    Error as TlsError, SignatureAlgorithm, SignatureScheme,
    sign::{Signer, SigningKey},
};
use tower_multiserver_core::Identity;

/// Signs with the identity itself, so that its secret is never copied.
#[derive(Clone, Debug)]
pub(crate) struct IdentityKey(pub(crate) Identity);

impl SigningKey for IdentityKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ED25519);
        is_offered.then(|| Box::new(self.clone()) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for IdentityKey {
    // The message begins with 64 spaces and says that it is TLS's (RFC 8446, section 4.4.3): no other protocol of this
    // identity signs the like.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
