//! What the tests of whole stacks share.
#![allow(dead_code, unused_imports, reason = "each test target uses a part")]

mod ports;

use std::time::Duration;

pub(crate) use ports::closed_port;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, split};
use tower::{BoxError, Service};
use tower_multiserver::{
    Accept, Address, AppKey, Bound, Connection, Identity, Io, Listen, Listener, MultiAddress, Seed,
    Shutdown, StackExt as _, shs::ShsLayer,
};

/// Long enough that only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(30);

/// The identity that belongs to a name, the same in every run.
pub(crate) fn identity(name: &str) -> Identity {
    Identity::from_seed(&Seed::from_bytes(Sha256::digest(name).into()))
}

pub(crate) fn app_key() -> AppKey {
    AppKey::from_bytes(Sha256::digest("TEST").into())
}

pub(crate) fn shs(name: &str) -> ShsLayer {
    ShsLayer::new(identity(name)).app_key(app_key())
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(crate) fn addresses(text: &str) -> MultiAddress {
    text.parse().expect("addresses")
}

/// Sends everything back until the peer ends, then ends too.
pub(crate) async fn echo(io: impl Io) {
    let (mut reader, mut writer) = split(io);
    copy(&mut reader, &mut writer).await.expect("an echo");
    writer.shutdown().await.expect("an end");
}

/// Sends `message`, ends, and expects it back.
pub(crate) async fn round_trip(mut io: impl Io, message: &[u8]) {
    io.write_all(message).await.expect("sent");
    io.shutdown().await.expect("ended");
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await.expect("an answer");
    assert_eq!(answer, message);
}

/// Both ends of a connection over a stack.
pub(crate) async fn connected<S, L, I, J>(stack: S, address: &str) -> (Connection<I>, Connection<J>)
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>, Future: Send>,
    S: Service<Listen, Response = Bound<L>, Error: Into<BoxError>, Future: Send>,
    S: Service<Accept<L::Raw>, Response = Connection<J>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + Sync + 'static,
    L: Listener,
    I: Io,
    J: Io,
{
    let (_shutdown, closing) = Shutdown::new();
    let incoming = stack.listen(address, closing).await;
    let mut incoming = incoming.expect("listening");
    let address = incoming.addresses()[0].1.clone();
    let (dialed, accepted) = tokio::join!(stack.dial(address), incoming.next());
    let accepted = accepted.expect("one").expect("accepted");
    (dialed.expect("dialed"), accepted)
}
