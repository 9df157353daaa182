//! The keys of both sides, always the same.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower_multiserver::{AppKey, Identity, PublicKey, Seed};

/// The seed that these words stand for: their SHA-256, as in the tests of the JavaScript multiserver.
pub(crate) fn seed(words: &str) -> Seed {
    Seed::from_bytes(Sha256::digest(words).into())
}

/// The network of these tests.
pub(crate) fn app_key() -> AppKey {
    AppKey::from_bytes(Sha256::digest("TEST").into())
}

/// Who we are.
pub(crate) fn ours() -> Identity {
    Identity::from_seed(&seed("TESTSEED"))
}

/// Who the JavaScript side is.
pub(crate) fn theirs() -> Identity {
    Identity::from_seed(&seed("TESTSEED of the other side"))
}

/// The public key that comes from the seed that these words stand for.
pub(crate) fn key_of(words: &str) -> PublicKey {
    Identity::from_seed(&seed(words)).public_key()
}

/// The base64 of the SHA-256 of these words.
pub(crate) fn base64(words: &str) -> Value {
    json!(*seed(words).to_base64())
}
