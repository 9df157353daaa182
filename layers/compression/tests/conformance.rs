//! What must hold of every layer.

#![cfg(test)]

use tower_multiserver_compression::CompressionLayer;
use tower_multiserver_core::testing::{self, Promise};

async fn check(layer: CompressionLayer) {
    // No checksum covers all of a header, and text is handed out before that of its member is checked.
    testing::transform(layer.clone(), layer)
        .without([Promise::Changes])
        .run(200)
        .await;
}

#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn gzip_keeps_what_every_layer_promises() {
    check(CompressionLayer::gzip()).await;
}

#[cfg(feature = "zstd")]
#[tokio::test(start_paused = true)]
async fn zstd_keeps_what_every_layer_promises() {
    check(CompressionLayer::zstd()).await;
}

#[cfg(feature = "deflate")]
#[tokio::test(start_paused = true)]
async fn deflate_keeps_what_every_layer_promises() {
    check(CompressionLayer::deflate()).await;
}

#[cfg(feature = "brotli")]
#[tokio::test(start_paused = true)]
async fn brotli_keeps_what_every_layer_promises() {
    check(CompressionLayer::brotli()).await;
}
