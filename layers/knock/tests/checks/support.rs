//! Pipes, and who is at the other end of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_multiserver_core::{Authorize, Connection, Error, Identity, PeerId, Role, Transform};
use tower_multiserver_knock::{KnockError, KnockLayer, message};

pub(crate) use tower_multiserver_core::testing::{Pipes, pipe};

pub(crate) fn identity() -> Identity {
    Identity::generate().unwrap()
}

pub(crate) fn id(identity: &Identity) -> PeerId {
    identity.public_key().into()
}

pub(crate) fn to(server: &Identity) -> Role<PeerId> {
    Role::Dial(id(server))
}

pub(crate) fn knock(client: &Identity, server: &Identity) -> [u8; message::LENGTH] {
    message::write(client, id(server)).unwrap()
}

pub(crate) type Upgraded = Result<Connection<DuplexStream>, Error>;

/// What becomes of a connection on which these pieces arrive one by one and then the end, and what is said to the peer.
pub(crate) async fn hear<A: Authorize>(
    server: KnockLayer<A>,
    pieces: &[&[u8]],
) -> (Upgraded, Vec<u8>) {
    // So narrow that a piece is gone when the next one is written.
    let (mut near, far) = tokio::io::duplex(128);
    let talk = async {
        for piece in pieces {
            // The server may have gone before the last one.
            let _ = near.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = near.shutdown().await;
        near
    };
    let (upgraded, mut near) = tokio::join!(server.upgrade(pipe(far), Role::Accept), talk);
    // The server's end goes with the connection; what it said before is still there.
    let upgraded = match upgraded {
        Ok(mut connection) => {
            connection.shutdown().await.unwrap();
            Ok(connection)
        }
        Err(error) => Err(error),
    };
    let mut said = Vec::new();
    near.read_to_end(&mut said).await.unwrap();
    (upgraded, said)
}

/// The cause that this crate gives.
pub(crate) fn cause<T>(result: &Result<T, Error>) -> Option<KnockError> {
    let source = std::error::Error::source(result.as_ref().err()?)?;
    source.downcast_ref().copied()
}
