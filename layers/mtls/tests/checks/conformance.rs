//! What must hold of every layer.

use tower_multiserver_core::testing::{self, Promise};
use tower_multiserver_mtls::MtlsLayer;

use crate::support::identity;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_what_every_layer_promises() {
    let [dial, accept] = [identity(), identity()].map(MtlsLayer::new);
    testing::transform(dial, accept)
        .without([Promise::Unflushed])
        // A client sends a record of six bytes for middleboxes while the server sends its certificate.
        .needs_room(6)
        .run(200)
        .await;
}
