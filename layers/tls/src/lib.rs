//! Whose cryptography TLS uses: what the transport `wss` and the transform `mtls` of `tower-multiserver` have in common.
//!
//! Both hand the [`Provider`] on as their own. What they make of it is for them alone: it is a type of
//! [rustls](https://docs.rs/rustls), which is in nobody else's interface.
//!
//! ```
//! use tower_multiserver_tls::{Provider, crypto};
//!
//! let crypto = crypto(Provider::RING);
//! assert!(!crypto.cipher_suites.is_empty());
//! ```
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `aws-lc-rs` | `Provider::AWS_LC_RS`, a further choice of cryptography |

#![cfg_attr(docsrs, feature(doc_cfg))]
// Whatever comes from outside, it is an error at worst.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

mod provider;

pub use provider::{Provider, crypto};
