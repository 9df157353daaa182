//! What must hold of every stream.

use tower_multiserver_core::{
    Connection, Error, HeldClose,
    testing::{self, Promise, Wire},
};

use super::super::{WsIo, frame::Side};

fn over(connection: Connection<Wire>, side: Side) -> Result<Connection<WsIo<Wire>>, Error> {
    // Whatever ends the transport has, those of a WebSocket are its own.
    let (io, _) = connection.into_parts();
    Ok(testing::pipe(WsIo::new(io, side, b"")).with(HeldClose))
}

#[tokio::test(start_paused = true)]
async fn the_stream_keeps_what_every_layer_promises() {
    testing::connections(
        "ws",
        async |connection| over(connection, Side::Client),
        async |connection| over(connection, Side::Server),
    )
    // TCP and TLS are there for that.
    .without([Promise::Changes])
    .seeds(300)
    .await;
}
