//! What must hold of every layer.

use tower_multiserver_core::testing;
use tower_multiserver_shs::ShsLayer;

use crate::support::identity;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_what_every_layer_promises() {
    let layers = [ShsLayer::new(identity()), ShsLayer::new(identity())];
    let [dial, accept] = layers;
    testing::transform(dial, accept).run(200).await;
}
