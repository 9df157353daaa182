//! What must hold of every layer.

use tower_multiserver_core::testing;
use tower_multiserver_noise::NoiseLayer;

use crate::support::identity;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_what_every_layer_promises() {
    let layers = [NoiseLayer::new(identity()), NoiseLayer::new(identity())];
    let [dial, accept] = layers;
    testing::transform(dial, accept).run(200).await;
}
