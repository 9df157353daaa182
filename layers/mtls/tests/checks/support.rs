//! Stacks over pipes, and what their failures say.

use std::{error::Error as _, io, time::Duration};

use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt as _, DuplexStream},
    time::timeout,
};
use tower_multiserver_core::{
    Address, Authorize, ClaimedKey, Connection, Error, Identity, Io, PeerId, Role, Transform,
};
use tower_multiserver_mtls::{MtlsError, MtlsIo, MtlsLayer, Reason};

use crate::raw;

pub(crate) use tower_multiserver_core::testing::{Pipes, pipe};

/// A pipe whose other end said that it is `who`.
pub(crate) fn claimed<I: Io>(io: I, who: &Identity) -> Connection<I> {
    pipe(io).with(ClaimedKey(who.public_key()))
}

pub(crate) fn identity() -> Identity {
    Identity::generate().unwrap()
}

pub(crate) fn to(server: &Identity) -> Role<PeerId> {
    Role::Dial(PeerId::from(server.public_key()))
}

pub(crate) type Stream = Connection<MtlsIo<DuplexStream>>;
pub(crate) type Upgraded = Result<Stream, Error>;

/// Fails instead of hanging.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future).await.unwrap()
}

/// Both sides of a handshake.
pub(crate) async fn meet(
    client: MtlsLayer,
    server: MtlsLayer<impl Authorize>,
    role: Role<PeerId>,
) -> (Upgraded, Upgraded) {
    let (near, far) = tokio::io::duplex(1000);
    tokio::join!(
        client.upgrade(pipe(near), role),
        server.upgrade(pipe(far), Role::Accept),
    )
}

/// Two connected ones.
pub(crate) async fn connected() -> (Stream, Stream) {
    let bob = identity();
    let role = to(&bob);
    let (client, server) = meet(MtlsLayer::new(identity()), MtlsLayer::new(bob), role).await;
    (client.unwrap(), server.unwrap())
}

/// The cause that this crate gives.
pub(crate) fn reason<T>(result: &Result<T, Error>) -> Option<Reason> {
    Some(cause(result.as_ref().err()?)?.reason())
}

/// What a failed read says: its kind, the cause, and the place.
pub(crate) fn failure(error: &io::Error) -> (io::ErrorKind, Reason, Address) {
    let placed: &Error = error.get_ref().unwrap().downcast_ref().unwrap();
    let reason = cause(placed).unwrap().reason();
    assert_eq!(placed.kind(), reason.kind());
    (error.kind(), reason, placed.address().unwrap().clone())
}

fn cause(error: &Error) -> Option<&MtlsError> {
    error.source()?.downcast_ref()
}

/// The alert that a client is told, at the latest by its first read.
pub(crate) async fn told(config: ClientConfig, io: DuplexStream) -> u8 {
    raw::alert(&match raw::connect(config, io).await {
        Ok(mut stream) => in_time(stream.read(&mut [0])).await.unwrap_err(),
        Err(error) => error,
    })
}
