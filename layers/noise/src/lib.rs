//! The Noise protocol between Ed25519 identities: `noise:KEY`.
