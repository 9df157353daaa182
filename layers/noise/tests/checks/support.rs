//! Stacks over pipes, and who is at the other end of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_multiserver_core::{AppKey, Connection, Error, Identity, Role, Transform};
use tower_multiserver_noise::{
    Args, NoiseIo,
    handshake::{ACCEPT, AUTH, HELLO, HandshakeError, Outcome, Server},
};

pub(crate) use tower_multiserver_core::testing::{Pipes, pipe};

pub(crate) fn identity() -> Identity {
    Identity::generate().unwrap()
}

pub(crate) fn to(server: &Identity) -> Role<Args> {
    let key = server.public_key().try_into().unwrap();
    Role::Dial(Args { key, seed: None })
}

pub(crate) type Upgraded = Result<Connection<NoiseIo<DuplexStream>>, Error>;

/// Both sides of a handshake.
pub(crate) async fn meet(
    client: impl Transform<Args = Args, Io<DuplexStream> = NoiseIo<DuplexStream>>,
    server: impl Transform<Args = Args, Io<DuplexStream> = NoiseIo<DuplexStream>>,
    role: Role<Args>,
) -> (Upgraded, Upgraded) {
    let (near, far) = tokio::io::duplex(1000);
    tokio::join!(
        client.upgrade(pipe(near), role),
        server.upgrade(pipe(far), Role::Accept),
    )
}

/// A server by hand, up to its consent, which is still to be sent.
pub(crate) async fn serve(io: &mut DuplexStream, bob: &Identity) -> ([u8; ACCEPT], Outcome) {
    let mut hello = [0; HELLO];
    io.read_exact(&mut hello).await.unwrap();
    let server = Server::new(&AppKey::SSB, bob);
    let (server, hello) = server.receive_hello(&hello).unwrap();
    io.write_all(&hello).await.unwrap();
    let mut auth = [0; AUTH];
    io.read_exact(&mut auth).await.unwrap();
    server.receive_auth(&auth).unwrap().accept()
}

/// The cause that this crate gives.
pub(crate) fn cause<T>(result: &Result<T, Error>) -> Option<HandshakeError> {
    let source = std::error::Error::source(result.as_ref().err()?)?;
    source.downcast_ref().copied()
}

pub(crate) const MESSAGES: [usize; 4] = [HELLO, HELLO, AUTH, ACCEPT];
