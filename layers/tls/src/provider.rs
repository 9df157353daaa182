//! Which cryptography.

use std::{fmt, sync::Arc};

use rustls::crypto::{CryptoProvider, ring};

/// Whose cryptography TLS uses. It is chosen for each transport and each layer, and never the process's default. The
/// peer need not use the same.
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

    /// `aws-lc-rs`, with post-quantum key exchange (X25519MLKEM768) where the peer knows it too.
    #[cfg(feature = "aws-lc-rs")]
    #[cfg_attr(docsrs, doc(cfg(feature = "aws-lc-rs")))]
    pub const AWS_LC_RS: Self = Self {
        name: "aws-lc-rs",
        make: rustls::crypto::aws_lc_rs::default_provider,
    };

    /// Those that are compiled in.
    pub const ALL: &[Self] = &[
        Self::RING,
        #[cfg(feature = "aws-lc-rs")]
        Self::AWS_LC_RS,
    ];
}

/// What rustls is given.
pub fn crypto(provider: Provider) -> Arc<CryptoProvider> {
    Arc::new((provider.make)())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_one_and_can_speak_tls_1_3() {
        for (at, provider) in Provider::ALL.iter().enumerate() {
            let others = &Provider::ALL[..at];
            assert!(!others.contains(provider), "{provider:?}");
            let suites = crypto(*provider).cipher_suites.clone();
            assert!(suites.iter().any(|suite| suite.tls13().is_some()));
        }
        assert!(Provider::ALL.contains(&Provider::RING));
    }
}
