//! A place in other servers and clients.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tonic")]
pub mod tonic;

#[cfg(any(feature = "axum", feature = "tonic"))]
pub use peer_info::PeerInfo;

#[cfg(any(feature = "axum", feature = "tonic"))]
mod peer_info {
    use tower_multiserver_core::Info;

    /// What the layers learned of a peer, for the handler of its requests: its address, its key, its scope.
    #[derive(Clone, Debug)]
    pub struct PeerInfo(pub Info);
}
