//! A place in other servers.

#[cfg(feature = "axum")]
pub mod axum;
