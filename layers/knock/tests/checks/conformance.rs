//! What must hold of every layer.

use tower_multiserver_core::testing::{self, Promise};
use tower_multiserver_knock::KnockLayer;

use crate::support::identity;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_what_every_layer_promises() {
    let [dial, accept] = [identity(), identity()].map(KnockLayer::new);
    testing::transform(dial, accept)
        .without([Promise::Cuts, Promise::Changes])
        .run(400)
        .await;
}
