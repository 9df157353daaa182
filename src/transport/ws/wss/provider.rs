//! Which cryptography.

use std::{fmt, sync::Arc};

use rustls::crypto::{CryptoProvider, ring};

/// Whose cryptography TLS uses. It is chosen where a [`Wss`](super::Wss) is made, and never the process's default.
#[derive(Clone, Copy)]
pub struct Provider {
    name: &'static str,
    make: fn() -> CryptoProvider,
}

impl Provider {
    /// `ring`, which is used unless another one is chosen.
    pub const RING: Self = Self {
        name: "ring",
        make: ring::default_provider,
    };

    /// `aws-lc-rs`, with post-quantum key exchange.
    #[cfg(feature = "aws-lc-rs")]
    pub const AWS_LC_RS: Self = Self {
        name: "aws-lc-rs",
        make: rustls::crypto::aws_lc_rs::default_provider,
    };

    /// Those that are compiled in.
    #[cfg(not(feature = "aws-lc-rs"))]
    pub(super) const ALL: &[Self] = &[Self::RING];
    #[cfg(feature = "aws-lc-rs")]
    pub(super) const ALL: &[Self] = &[Self::RING, Self::AWS_LC_RS];

    pub(super) fn crypto(self) -> Arc<CryptoProvider> {
        Arc::new((self.make)())
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Provider {}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
