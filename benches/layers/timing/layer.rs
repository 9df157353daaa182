//! Whole servers that let nobody in: whether somebody with a key of his own learns that it is in no list.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tower_multiserver::{
    AllowList, AppKey, Connection, Role, Section, Transform,
    noise::{self, NoiseLayer},
    shs::{self, ShsLayer},
};

use crate::{Wrong, identity, spoil};

/// What is still to be done with a proof, until the server hangs up.
pub(crate) fn shs(wrong: Wrong) -> impl FnOnce() -> bool {
    let us = identity();
    let client = shs::handshake::Client::new(&AppKey::SSB, &identity(), us.public_key());
    let (client, hello) = client.expect("a usable key");
    let mut server = Server::new(ShsLayer::new(us).authorize(AllowList::default()));
    let answer = client.receive_hello(&server.answer(&hello));
    let (_, mut auth) = answer.expect("a hello");
    spoil::<16>(auth.first_chunk_mut().expect("112 bytes"), wrong);
    server.send(&auth);
    move || server.end()
}

/// The same.
pub(crate) fn noise(wrong: Wrong) -> impl FnOnce() -> bool {
    let us = identity();
    let client = noise::handshake::Client::new(&AppKey::SSB, &identity(), us.public_key());
    let (client, hello) = client.expect("a usable key");
    let mut server = Server::new(NoiseLayer::new(us).authorize(AllowList::default()));
    let answer = client.receive_hello(&server.answer(&hello));
    let (_, mut auth) = answer.expect("a hello");
    spoil::<16>(auth[32..].first_chunk_mut().expect("160 bytes"), wrong);
    server.send(&auth);
    move || server.end()
}

/// A server that shakes hands, and the client's end of the pipe.
struct Server {
    accepted: Pin<Box<dyn Future<Output = bool>>>,
    client: DuplexStream,
}

impl Server {
    fn new(layer: impl Transform) -> Self {
        let (near, client) = duplex(1000);
        let connection = Connection::new(near, Section::new("pipe"));
        let accepted = layer.upgrade(connection, Role::Accept);
        Self {
            accepted: Box::pin(async move { accepted.await.is_ok() }),
            client,
        }
    }

    fn send(&mut self, message: &[u8]) {
        let sent = now(self.client.write_all(message));
        sent.expect("the server is there");
    }

    fn answer<const N: usize>(&mut self, message: &[u8]) -> [u8; N] {
        self.send(message);
        assert!(poll(self.accepted.as_mut()).is_pending());
        let mut answer = [0; N];
        let read = now(self.client.read_exact(&mut answer));
        read.expect("the server is there");
        answer
    }

    /// Whether it lets the client in.
    fn end(mut self) -> bool {
        now(self.accepted.as_mut())
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("all that it waits for is there"),
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
